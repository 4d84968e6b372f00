import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from robot_gcrl.contract import Field
from robot_gcrl.contract.fields import Healthy
from robot_gcrl.contract.observe import make_layout
from robot_gcrl.task import check_model
from robot_gcrl.task.check import check_task
from robot_gcrl.task.goals import box_goals, in_cells
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.registry import load_task, task_names
from robot_gcrl.task.starts import planar_starts
from robot_gcrl.task.task import Distribution, Regions


def problems(task):
    return [text for check in check_task(task) for text in check.problems]


@pytest.mark.parametrize("name", task_names())
def test_every_task_conforms(name):
    # seen to fail with the ant's STANDING height 0.5 (feet 8 cm in the floor) and with a point
    # maze whose starts anywhere are jittered by 2 m (the ball stands in a wall)
    checks = check_task(load_task(name))
    assert [check for check in checks if check.problems or check.limits] == []
    assert len(checks) == 17


@pytest.fixture(scope="module")
def task():
    return load_task("point_maze")


def with_model(task, change):
    spec = mujoco.MjSpec.from_string(
        "<mujoco><option timestep='0.05'/><worldbody><camera name='scene'/>"
        "<body name='ball'><joint name='x' type='slide' axis='1 0 0' range='-1 1'/>"
        "<joint name='y' type='slide' axis='0 1 0'/><geom size='0.1'/></body></worldbody>"
        "<actuator><motor name='x' joint='x'/><motor name='y' joint='y'/></actuator></mujoco>"
    )
    change(spec)
    spec.compiler.autolimits = True
    return replace(task, scene=spec)


def with_goal(task, goal):
    return replace(task, eval=Distribution(start=task.eval.start, goal=goal))


def test_names_that_the_model_lacks(task):
    field = Field(source="sensor", name="gps", unit="m")
    contract = replace(task.contract, observation=(*task.contract.observation, field))
    assert problems(replace(task, contract=contract)) == [
        "The model has no sensor 'gps', which the observation names. It has: none. Name one of "
        "these."
    ]


def test_every_missing_name_is_told_with_those_that_exist_closest_first():
    # seen to fail with make_layout's own error, which stops at the first and lists by number
    ant = load_task("ant")
    field = Field(source="qpos", name="back_left_ancle", unit="rad")
    limit = Healthy(field=Field(source="qpos", name="rot", unit="m"), low=0.0, high=1.0)
    contract = replace(
        ant.contract, observation=(*ant.contract.observation, field), healthy=(limit,)
    )
    first, second = problems(replace(ant, contract=contract))
    assert first.startswith(
        "The model has no joint 'back_left_ancle', which the observation names. It has: "
        "back_left_ankle, back_left_hip, back_right_ankle, "
    )
    assert second.startswith("The model has no joint 'rot', which healthy names. It has: root, ")


def test_a_model_for_the_native_engine_alone(task):
    # seen to fail with the gap among the problems
    def add(spec):
        spec.option.solver = mujoco.mjtSolver.mjSOL_PGS

    native = replace(with_model(task, add), anywhere=task.train.start)
    assert problems(native) == []
    limits = [text for check in check_task(native) for text in check.limits]
    assert limits == ["The option solver is pgs; MJX has cg, newton."]


def test_actuators_that_no_action_moves_or_that_the_model_would_clip(task):
    # seen to fail with the limits of the contract in place of the ctrl of many actions
    action = task.contract.action
    still = replace(action, scale=(1e-9, 6.25), offset=(1.0, 0.0))
    (problem,) = problems(replace(task, contract=replace(task.contract, action=still)))
    assert problem == "Actuator 'x' gets the ctrl 1 for every action."
    strong = replace(action, scale=(6.25, 9.0), high=(6.25, 20.0))
    (problem,) = problems(replace(task, contract=replace(task.contract, action=strong)))
    assert problem == (
        "Actuator 'y' gets ctrl in [-6.25, 9]; its ctrlrange in the model is [-6.25, 6.25]. "
        "Change ActionMap.low and high, or it."
    )


def test_a_component_that_is_observed_twice_or_has_no_unit(task):
    x = replace(task.contract.observation[0], unit="")
    contract = replace(task.contract, observation=(x, *task.contract.observation))
    assert problems(replace(task, contract=contract)) == [
        "The field of qpos 'x' has no unit. Expected '1' for none.",
        "The observation holds component 0 of qpos 'x' (identity) 2 times. Expected once.",
    ]


def test_starts_that_are_no_start_of_an_episode(task):
    # seen to fail with `healthy` asked of the first start alone
    limit = Healthy(field=task.contract.observation[0], low=0.0, high=1.0)
    (first, *_) = problems(replace(task, contract=replace(task.contract, healthy=(limit,))))
    assert re.fullmatch(r"train: \d+ of 128 starts are outside of what is healthy \('x'\)\.", first)


def test_an_achieved_goal_that_is_another_quantity(task, monkeypatch):
    # a layout that reads y in place of x and x in place of y
    def crossed(contract, model):
        layout = make_layout(contract, model)
        return replace(layout, inputs=layout.inputs[[1, 0, 2, 3]])

    monkeypatch.setattr(check_model, "make_layout", crossed)
    first, *_ = problems(task)
    assert re.match(r"train: Goal field 'x' reads .*; component 0 of qpos 'x' is ", first)


def test_samplers_that_raise(task):
    def start(key):
        return float(key), jnp.zeros(2)

    line = start.__code__.co_firstlineno + 1
    first, *_ = problems(replace(task, anywhere=start))
    assert first.startswith("anywhere: ")
    assert first.endswith(f", in line {line} of {__file__}.")


def test_starts_that_never_change(task):
    fixed = planar_starts(np.zeros((1, 2)), jitter=0.0)
    train = Distribution(start=fixed, goal=task.train.goal)
    assert problems(replace(task, train=train)) == [
        "train: every key gives the same start. Expected a new one at every reset."
    ]


def test_goals_in_the_model(task):
    def add_goal(spec):
        body = spec.worldbody.add_body(name="goal_marker", mocap=True)
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(0.1, 0, 0), contype=0, conaffinity=0)

    found = problems(with_model(task, add_goal))
    assert "The model has 1 mocap bodies. The goal is data: remove them." in found
    assert (
        "The model has a body 'goal_marker'. The goal is data, which viewers draw: remove it."
        in found
    )


def test_no_camera(task):
    assert problems(replace(task, camera="top")) == [
        "The model has no camera 'top'; it has ['scene']."
    ]


def test_starts_out_of_range(task):
    far = planar_starts(np.array([[5.0, 0.0]]), jitter=0.0)
    found = problems(replace(with_model(task, lambda spec: None), anywhere=far))
    assert found == ["anywhere: joint 'x' starts in [5, 5]; its range is [-1, 1]."]


def test_starts_in_walls(task):
    # seen to fail with the sign of the distance turned round
    wall = planar_starts(np.array([[4.0, 0.0]]), jitter=0.0)
    (problem,) = problems(replace(task, anywhere=wall))
    assert problem.startswith("anywhere: bodies start ")
    assert problem.endswith(" m inside others. At most 0.01 m.")


def test_quaternions_without_unit_norm():
    ant = load_task("ant")

    def start(key):
        qpos, qvel = ant.train.start(key)
        return qpos.at[3].set(2.0), qvel

    (problem,) = problems(replace(ant, anywhere=start))
    assert problem == "anywhere: quaternions of 'root' have norms in [2, 2]. Expected 1."


def test_goals_that_the_task_does_not_admit(task):
    here = in_cells(np.array([[8.0, 0.0]]), side=1.0)
    texts = problems(replace(task, admits=here))
    assert [text.split(":")[0] for text in texts] == ["train", "eval"]
    assert all(re.search(r"`admits` refuses the goal \[.*\], which is drawn", t) for t in texts)


def test_goals_beyond_their_bounds(task):
    problem, refused = problems(with_goal(task, box_goals((-1.0, 0.0), (0.0, 99.0))))
    assert refused.startswith("eval: `admits` refuses the goal [")
    assert problem.startswith("eval: goal field 'y' is drawn in [")
    assert problem.endswith("; its bounds are [-2, 10].")


def test_goals_that_are_not_finite_or_of_another_size(task):
    nan = with_goal(task, lambda key, report: jnp.full(2, jnp.nan))
    assert problems(nan) == ["eval: some goal are not finite."]
    assert len(check_task(nan)) == 10  # what needs finite samples is left out
    large = with_goal(task, lambda key, report: jax.random.uniform(key, (3,)))
    assert problems(large) == ["eval: goal has shape (3,). Expected (2,)."]


def test_goals_that_do_not_depend_on_the_key(task):
    def fixed(key, report):
        return jnp.array([0.0, 4.0])

    train = Distribution(start=task.train.start, goal=fixed)
    assert problems(replace(task, train=train)) == ["train: every key gives the goal [0.0, 4.0]."]
    assert problems(with_goal(task, fixed)) == []  # a maze with one goal cell


def test_samplers_with_a_memory(task):
    calls = []

    def start(key):
        calls.append(key)
        qpos, qvel = task.train.start(key)
        return qpos + 0.01 * len(calls), qvel

    assert problems(replace(task, anywhere=start)) == [
        "anywhere: equal keys give different samples."
    ]


def test_regions(task):
    def regions(**changes):
        return replace(task, regions=Regions(**({"names": ("a", "b"), "label": near} | changes)))

    def near(goals):
        return np.zeros(goals.shape[:-1], int)

    assert problems(regions()) == []
    assert problems(regions(names=("a", "a"))) == [
        "Regions are called ('a', 'a'). Expected at least one, and no name twice."
    ]
    assert problems(regions(far=(2,))) == ["Regions (2,) are far; there are 2."]
    assert problems(regions(label=lambda goals: near(goals) + 2)) == [
        "Labels lie in [2, 2]. Expected 0 to 1."
    ]
    assert problems(regions(label=lambda goals: goals[..., 0])) == [
        "Labels of 128 goals are float32 (128,). Expected integers."
    ]


def test_hints(task):
    def hints(**changes):
        return replace(task, hints=replace(task.hints, **changes))

    assert problems(hints(horizon=0.05)) == [
        "The horizon is 0.05 s. Expected more than a control step (0.05 s)."
    ]
    assert problems(hints(goal_switch_interval=0.01)) == [
        "Goals switch every 0.01 s. Expected at least a control step, 0.05 s."
    ]
    assert problems(hints(random_start_share=1.5)) == [
        "random_start_share is 1.5. Expected 0 to 1."
    ]
    assert problems(hints(near_goal_share=0.5)) == [
        "near_goal_share is 0.5 without a near_goal_radius."
    ]
    assert problems(replace(task, anywhere=None)) == [
        "random_start_share is 0.5 without `anywhere`."
    ]
    budgets = {"laptop": task.hints.budgets["laptop"]}
    assert problems(hints(budgets=budgets)) == ["Budgets lack the presets paper, default, smoke."]


def test_the_layouts_are_those_of_the_tasks():
    assert load_task("point_maze_u").regions.names == load_task("point_maze").regions.names
    assert LAYOUTS["u"].far_goals == load_task("ant_maze").regions.far
