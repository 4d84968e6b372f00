"""Simulated robots that depart from their scene: by their seeds, late, and as in training."""

import json

import numpy as np
import pytest

from robot_gcrl.cli import main
from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.contract.realism import Delay, Noise, Realism
from robot_gcrl.gate.episodes import Episodes
from robot_gcrl.train.evaluate import evaluation_key, make_evaluator, policy_mean, wilson
from tests.controllers.pushers import make_pusher, make_task, shared_pusher, write_pusher
from tests.controllers.realism import late_by, make_departing, write_departing
from tests.controllers.servers import serving
from tests.controllers.simulations import run, sim

T = 0.05


@pytest.fixture(scope="module")
def pusher(tmp_path_factory):
    return shared_pusher(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def departing(tmp_path_factory):
    return write_departing(tmp_path_factory.mktemp("departing") / "pusher.policy")


def outcome(result: dict) -> list:
    return [(e["scenario"], e["distance"], e["first_ctrl"]) for e in result["episodes"]]


def test_episodes_follow_from_seed_and_scenario_whatever_the_number_of_robots(
    departing, pusher, tmp_path
):
    words = "--lockstep --episodes 5 --randomize full"
    with serving(departing, tmp_path) as server:
        one, three, other = (
            run(departing, server.endpoint, f"{words} --robots {robots} --seed {seed}")
            for robots, seed in ((1, 0), (3, 0), (3, 1))
        )
        plain = run(departing, server.endpoint, "--lockstep --episodes 5")
    assert one["randomize"] == "full"
    assert outcome(one) == outcome(three)
    assert all(a != b for a, b in zip(outcome(one), outcome(other), strict=True))
    assert all(a != b for a, b in zip(outcome(one), outcome(plain), strict=True))
    with serving(pusher, tmp_path) as server:  # levels that are not asked for change no bit
        assert outcome(plain) == outcome(run(pusher, server.endpoint, "--lockstep --episodes 5"))


def test_the_server_sees_noise_and_success_is_of_the_truth(departing, tmp_path):
    # seen to fail with `world.inputs` true
    world = sim.World(departing, 2, "full")
    for robot in range(2):
        world.draw(robot, (0, robot))
        world.place(robot, np.zeros(2), np.zeros(2))
    biases = np.array([departure._now.bias for departure in world._departing])
    errors = []
    for _ in range(200):
        world.step(np.ones(2, bool), np.zeros((2, 2)))
        true = np.hstack((world.report.qpos, world.report.qvel))
        errors.append(world.inputs - true)
        # guards look at the same instruments
        np.testing.assert_allclose(world.position, world.inputs[:, :2], atol=1e-6)
        np.testing.assert_allclose(world.velocity, world.inputs[:, 2:], atol=1e-6)
    np.testing.assert_allclose(np.mean(errors, axis=0), biases, atol=0.03)
    np.testing.assert_allclose(
        (errors - biases).std(axis=(0, 1)), (0.02, 0.02, 0.1, 0.1), rtol=0.25
    )
    assert np.abs(biases[:, :2]).min() > 1e-4
    assert np.abs(biases[:, 2:]).max() == 0.0


def test_a_guard_sees_the_encoder_at_once_though_the_policy_is_shown_it_late(departing):
    # seen to fail with `shown` for the guard
    noise = Noise(source="qpos", names=("x",), bias=0.5)
    level = Realism(noises=(noise,), observation_delay=Delay(low=2 * T, high=2 * T))
    file = late_by(departing, Delay())
    file.__dict__["realism"] = {"full": level}
    world = sim.World(file, 1, "full")
    world.draw(0, (0,))
    world.place(0, np.zeros(2), np.array([1.0, 0.0]))
    bias = world._departing[0]._now.bias[0]
    places = [world.position[0, 0] - bias]
    for _ in range(6):
        world.step(np.ones(1, bool), np.zeros((1, 2)))
        places.append(float(world.report.qpos[0, 0]))
        assert world.position[0, 0] - bias == pytest.approx(places[-1], abs=1e-6)
        assert world.inputs[0, 0] - bias == pytest.approx(places[max(len(places) - 3, 0)], abs=1e-6)
    assert places[-1] > 0.1


def path_under(file, level, ctrl) -> np.ndarray:
    world = sim.World(file, 2, level)
    for robot in range(2):
        world.draw(robot, (0, robot))
        world.place(robot, np.full(2, 0.3 * robot), np.zeros(2))
    path = []
    for row in ctrl:
        world.step(np.ones(2, bool), row)
        path.append(world.report)
    return np.array([np.hstack((report.qpos, report.qvel)) for report in path])


def test_commands_one_control_step_late_are_those_of_the_step_before(departing):
    steps, late = 20, late_by(departing, Delay(low=T, high=T))
    ctrl = np.random.default_rng(0).uniform(-5.0, 5.0, (steps, 2, 2))
    start = initial_ctrl(departing.contract, np.zeros((2, 4), np.float32))
    shifted = np.concatenate((start[None], ctrl[:-1]))
    np.testing.assert_array_equal(
        path_under(late, "full", ctrl), path_under(departing, "off", shifted)
    )


def test_commands_half_a_control_step_late_are_in_force_for_its_second_half(departing):
    late = late_by(departing, Delay(low=T / 2, high=T / 2))
    on_time = path_under(late, "full", np.zeros((3, 2, 2)))
    pushed = np.zeros((3, 2, 2))
    pushed[0] = 5.0
    moved = path_under(late, "full", pushed) - on_time
    whole = path_under(departing, "off", pushed) - path_under(departing, "off", 0.0 * pushed)
    # half of the push in the first step, the other half in the second; damping takes 6% in between
    np.testing.assert_allclose(moved[0, :, 2:], whole[0, :, 2:] / 2, rtol=0.1)
    np.testing.assert_allclose(moved[1, :, 2:], whole[1, :, 2:], rtol=0.1)


def test_a_level_that_the_file_lacks(tmp_path, capsys):
    path = write_pusher(tmp_path / "plain.policy", make_task(realism={})).path
    words = f"controller sim --policy {path} --connect ipc:///nowhere --randomize low"
    assert main(words.split()) == 2
    assert capsys.readouterr().err == (
        f"robot-gcrl: The policy file {path} has no realism of the level 'low'. It has: "
        "off. Choose one of these.\n"
    )


@pytest.mark.slow  # two minutes of reports and answers
def test_a_policy_does_as_well_over_the_bridge_as_in_evaluation(departing, tmp_path):
    """Both draw their own robots: what they come to may differ by chance alone."""
    count, task = 512, make_departing()
    agent, state = make_pusher(task)
    evaluator = make_evaluator(
        task, policy_mean(agent), engine="native", goals="eval", episodes=count, randomize="full"
    )
    inside = evaluator.episodes(state, key=evaluation_key(0), episodes=count)
    with serving(departing, tmp_path) as server:
        words = f"--lockstep --episodes {count} --robots 32 --randomize full"
        result = run(departing, server.endpoint, words)
    over = Episodes.from_json(json.loads(json.dumps(result))["episodes"])
    told = []
    for a, b in ((inside.reached, over.reached), (inside.final, over.final)):
        low_high = [wilson(float(np.sum(x)), count)["ci95"] for x in (a, b)]
        told.append((float(np.mean(a)), float(np.mean(b))))
        assert max(ci[0] for ci in low_high) <= min(ci[1] for ci in low_high), told
    for a, b in ((inside.distance, over.distance), (inside.time_at_goal, over.time_at_goal)):
        error = np.sqrt(np.var(a) / count + np.var(b) / count)
        told.append((float(np.mean(a)), float(np.mean(b)), float(error)))
        assert abs(np.mean(a) - np.mean(b)) < 3.0 * error, told
    print(told)
