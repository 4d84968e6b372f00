"""The map of the critic's energy beside a simulation: when it is made, and how it is drawn."""

import time

import numpy as np
import pytest

from robot_gcrl.viewer.overlay import energy_geoms
from robot_gcrl.viewer.scene import show_policy
from robot_gcrl.viewer.world import World
from tests.policy.policies import make_file


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_file(tmp_path_factory.mktemp("b") / "box.policy", width=16, with_critic=True).path


def maps(world: World, seconds: float) -> list:
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        newest = world.believe()
        if newest is not None and (not found or newest is not found[-1]):
            found.append(newest)
        time.sleep(0.005)
    return found


def test_a_file_without_a_critic_has_no_map(tmp_path):
    world = World(show_policy(make_file(tmp_path / "box.policy", width=16).path))
    assert maps(world, 0.1) == []


def test_maps_come_at_most_twice_a_second_and_follow_the_robot(path):
    world = World(show_policy(path))
    first = maps(world, 1.2)
    assert 1 <= len(first) <= 3
    world.data.qpos[:2] = 0.7, -0.4
    world.step(world.show.substeps)
    later = maps(world, 1.2)[-1]
    assert not np.allclose(later.position, first[0].position, atol=0.1)
    assert not np.array_equal(later.energy, first[0].energy)
    world.close()


def test_asking_never_waits_for_a_map(path, monkeypatch):
    # Seen to fail: with a map that is worked out in the call
    world = World(show_policy(path))
    belief = world.show.belief
    assert belief is not None
    monkeypatch.setattr(belief, "_work", lambda *arrays: time.sleep(1.0))
    began = time.monotonic()
    for _ in range(20):
        world.believe()
    assert time.monotonic() - began < 0.5
    world.close()


def test_the_likeliest_place_is_the_brightest(path):
    world = World(show_policy(path))
    found = maps(world, 0.6)[-1]
    world.close()
    geoms = energy_geoms(found)
    assert len(geoms) == found.energy.size <= 24 * 24
    best, worst = np.argmax(found.energy), np.argmin(found.energy)
    centers = found.grid.centers.reshape(-1, 2)
    np.testing.assert_allclose(geoms[best].pos[:2], centers[best], atol=1e-6)
    # yellow against blue
    assert geoms[best].rgba[0] > geoms[worst].rgba[0]
    assert geoms[best].rgba[2] < geoms[worst].rgba[2]
