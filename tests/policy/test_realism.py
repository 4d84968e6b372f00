"""Levels of realism in a policy file: written, read, refused, left out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.contract.realism import (
    Delay,
    GoalBias,
    Noise,
    Pose,
    Push,
    Realism,
    Variation,
    softened,
)
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.departure import Departures
from robot_gcrl.policy.export import export_policy
from robot_gcrl.policy.runtime import read_policy
from robot_gcrl.policy.scene import load_scene
from tests.contract.contracts import REMEMBERING
from tests.policy.damage import DAMAGED, change_json, rewrite
from tests.policy.policies import TRAINING, make_perturbed, make_task

# Every part of a level; of the last three actions the contract observes one actuator's alone
FULL = Realism(
    variations=(
        Variation(quantity="mass", names=("box",), low=0.5, high=2.0),
        Variation(quantity="friction", low=0.5, high=1.5, together=True),
    ),
    slope=0.1,
    poses=(Pose(joint="hinge", low=-0.2, high=0.2),),
    noises=(Noise(source="qpos", names=("hinge", "slide"), std=0.01, bias=0.02),),
    goal_bias=(GoalBias(labels=("x", "y"), bias=0.1),),
    push=Push(joint="root", interval=2.0, velocity=0.5, spin=0.25),
)
LATE = replace(
    FULL,
    observation_delay=Delay(low=0.01, high=0.04, jitter=0.005, hold=0.02),
    action_delay=Delay(low=0.002, high=0.04, jitter=0.005),
)
LEVELS = {"low": softened(LATE, 0.5), "full": LATE}


def written(path: Path, levels, training=None):
    contract = replace(
        REMEMBERING,
        observation=(
            *REMEMBERING.observation,
            *(
                replace(f, name=name, components=(0, 1))
                for f in REMEMBERING.observation[-1:]
                for name in REMEMBERING.action.actuators
            ),
        ),
    )
    task = replace(make_task(contract), realism=levels)
    agent, state = make_perturbed(contract, width=16)
    training = TRAINING | (training or {})
    return read_policy(export_policy(task, agent, state, path, training=training))


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    return written(tmp_path_factory.mktemp("late") / "box.policy", LEVELS, {"randomize": "full"})


def test_levels_are_read_as_they_were_written(late):
    assert dict(late.realism) == LEVELS
    assert list(late.realism) == ["low", "full"]


def test_the_delay_of_training_is_that_of_its_level(late, file, tmp_path):
    assert late.trained_delay == pytest.approx((0.01 - 0.005, 0.045 + 0.045))
    assert written(tmp_path / "a.policy", LEVELS).trained_delay == (0.0, 0.0)
    low = written(tmp_path / "b.policy", LEVELS, {"randomize": "low"})
    assert low.trained_delay == pytest.approx((0.0025, 0.045))
    assert file.trained_delay == (0.0, 0.0)


def test_a_file_of_a_version_without_levels_works(file):
    assert "realism.json" not in file.manifest["entries"]
    assert "randomize" not in file.manifest["training"]
    assert file.realism == {}
    with pytest.raises(PolicyError) as caught:
        Departures(file, load_scene(file), "full")
    assert str(caught.value) == (
        f"The policy file {file.path} has no realism of the level 'full'. It has: off. Choose one "
        "of these."
    )


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"{", "Expecting property name"),
        (b"[]", "'list' object has no attribute 'items'"),
        (b'{"full": {}}', "'push'"),
        (b'{"full": {"slope": NaN}}', "'push'"),
    ],
)
def test_levels_that_are_damaged_are_refused(late, tmp_path, raw, what):
    path = tmp_path / "box.policy"
    path.write_bytes(late.path.read_bytes())
    rewrite(path, lambda entries: entries.update({"realism.json": raw}))
    with pytest.raises(PolicyError) as caught:
        _ = read_policy(path).realism
    text = str(caught.value)
    start, end = DAMAGED.format(path=path, what="realism.json cannot be read (XX)").split("XX")
    assert text.startswith(start)
    assert text.endswith(end)
    assert what in text


def test_a_level_that_contradicts_itself_is_refused(late, tmp_path):
    path = tmp_path / "box.policy"
    path.write_bytes(late.path.read_bytes())
    content = json.loads(late.entry("realism.json"))
    content["full"]["action_delay"]["hold"] = 1.5
    rewrite(path, change_json("realism.json", **content))
    with pytest.raises(PolicyError, match=r"Delay has hold 1\.5"):
        _ = read_policy(path).realism


def test_a_changed_level_is_found_by_its_checksum(late, tmp_path):
    path = tmp_path / "box.policy"
    path.write_bytes(late.path.read_bytes())
    other = late.entry("realism.json").replace(b"0.045", b"0.145").replace(b"2.0", b"9.0")
    rewrite(path, lambda entries: entries.update({"realism.json": other}), hashed=False)
    with pytest.raises(PolicyError) as caught:
        read_policy(path)
    assert str(caught.value) == DAMAGED.format(
        path=path, what="realism.json has other content than was written"
    )


def test_robots_of_a_file_depart_by_their_seeds_alone(late):
    departures = Departures(late, load_scene(late), "full")
    first, second = departures.robot(), departures.robot()
    qpos = np.zeros(late.simulation.nq)
    inputs = np.arange(len(late.contract.inputs), dtype=np.float32)
    goal = np.array([0.5, 0.9999, -0.5], np.float32)

    def episode(robot, seed):
        robot.draw(seed)
        start = robot.place(qpos)
        robot.begin(inputs)
        told = [robot.shown, start, robot.told(goal), *robot.fields.values()]
        for i in range(5):
            command = robot.send(np.full(3, 0.1 * i))
            robot.see(inputs)
            told += [robot.shown, command.held, command.ctrl, robot.error]
        return np.concatenate([np.ravel(value) for value in told])

    one, other = episode(first, (0, 3)), episode(first, (0, 4))
    np.testing.assert_array_equal(episode(second, (0, 3)), one)
    assert (one != other).sum() > 30
    for seed in range(20):
        second.draw((seed,))
        low, high = late.contract.goal_bounds
        assert (second.told(goal) <= high).all()
        assert (second.told(goal) >= low).all()
        assert second.told(goal)[0] == goal[0]  # z has no bias
