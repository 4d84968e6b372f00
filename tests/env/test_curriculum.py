"""A radius that follows success: the estimate, its growth, its floor and its ceiling."""

import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.env.curriculum import (
    FACTOR,
    JUDGED,
    Curriculum,
    advance,
    estimated_success,
    make_curriculum,
)

LENGTH = 50
BOUNDS = (1.0, 3.0)


def step(curriculum, success, given_up, *, terminated=None, counted=None):
    n = len(success)
    return advance(
        curriculum,
        counted=jnp.ones(n, bool) if counted is None else jnp.asarray(counted),
        success=jnp.asarray(success),
        given_up=jnp.asarray(given_up),
        terminated=jnp.zeros(n, bool) if terminated is None else jnp.asarray(terminated),
        length=LENGTH,
        bounds=BOUNDS,
    )


def judged(curriculum, success):
    """After one step in which as many goals as are judged are over, at this estimated success."""
    reached = np.full(JUDGED, success > 0.0)
    steps = -JUDGED * LENGTH / np.log1p(-success) if success else JUDGED * LENGTH
    before = curriculum._replace(pursued=jnp.float32(steps - JUDGED))
    return step(before, reached, ~reached)


def test_it_grows_with_success_up_to_the_ceiling():
    curriculum, radii = make_curriculum(1.0), [1.0]
    for _ in range(9):
        curriculum = judged(curriculum, 0.71 if len(radii) < 9 else 0.69)
        radii.append(float(curriculum.radius))
        assert float(curriculum.over) == float(curriculum.reached) == 0.0
    np.testing.assert_allclose(radii[:4], FACTOR ** np.arange(4), rtol=1e-6)
    assert radii[-1] == 3.0


def test_it_shrinks_without_success_and_never_below_its_floor():
    curriculum = make_curriculum(1.3)
    radii = [float(curriculum.radius)]
    for _ in range(4):
        curriculum = judged(curriculum, 0.0)
        radii.append(float(curriculum.radius))
    np.testing.assert_allclose(radii[1], 1.3 / FACTOR, rtol=1e-6)
    assert radii[2:] == [1.0, 1.0, 1.0]


def test_it_stays_between_and_until_enough_was_seen():
    curriculum = make_curriculum(1.5)
    assert float(judged(curriculum, 0.31).radius) == float(judged(curriculum, 0.69).radius) == 1.5
    assert float(judged(curriculum, 0.29).radius) < 1.5
    few = step(curriculum, [True] * (JUDGED - 1), [False] * (JUDGED - 1))
    assert float(few.radius) == 1.5
    assert float(few.over) == JUDGED - 1
    assert float(step(few, [True], [False]).radius) > 1.5
    ignored = step(few, [True], [False], counted=[False])
    np.testing.assert_array_equal(ignored, few)


@pytest.mark.parametrize("switching", [0.0, 0.05])
def test_the_estimate_does_not_depend_on_when_goals_are_switched(switching):
    rng = np.random.default_rng(1)
    rate, number = 0.03, 20_000
    waiting = rng.geometric(rate, number)
    cut = rng.geometric(switching, number) if switching else np.full(number, LENGTH)
    seen = np.minimum(np.minimum(waiting, cut), LENGTH)
    reached = (waiting <= cut) & (waiting <= LENGTH)
    curriculum = Curriculum(*(jnp.float32(x) for x in (1, reached.sum(), seen.sum(), number)))
    truth = 1 - (1 - rate) ** LENGTH
    assert abs(float(estimated_success(curriculum, LENGTH)) - truth) < 0.02


def test_an_episode_that_terminates_is_a_failure_and_no_interruption():
    fallen = step(make_curriculum(1.0), [False, True], [True, True], terminated=[True, True])
    assert float(fallen.pursued) == 2 + LENGTH
    assert float(fallen.reached) == 1.0
    assert float(estimated_success(make_curriculum(1.0), LENGTH)) == 0.0
