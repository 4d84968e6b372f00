import math
from dataclasses import replace

import pytest

from robot_gcrl.bridge.guard import fit, profile_differences
from robot_gcrl.bridge.profile_file import load_profile
from robot_gcrl.errors import ProfileError
from robot_gcrl.task.registry import load_task
from tests.bridge.boxes import BOX
from tests.contract.contracts import make_action_map, make_contract

ARM = load_task("arm_reach").contract


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "box.toml"
        path.write_text(text)
        return load_profile(path)

    return load


def test_a_legged_stop_needs_damping_and_stiffness(load):
    profile = load(BOX)
    legged = {"stop": ("legged", "damp", "hold_position"), "damping": (5.0, 0.5, None)}
    with pytest.raises(ProfileError, match='has stiffness of turn = "none"'):
        replace(profile, **legged)
    limits = fit(make_contract(), replace(profile, **legged, stiffness=(50.0, None, None)))
    # the target trails the joint by damping / stiffness seconds
    assert [axis.damping for axis in limits.axes] == [0.1, 0.5, 0.0]


def test_the_narrower_of_profile_and_contract_counts_for_each_actuator(load):
    # seen to fail with max for min in _narrower
    contract = make_contract(
        action=make_action_map(
            velocity_limit=(1.0, 2.0, 3.0), acceleration_limit=(10.0, 20.0, 30.0)
        )
    )
    profile = replace(
        load(BOX),
        low=(-0.5, -5.0, -1.0),
        velocity_limit=(2.0, 1.5, None),
        acceleration_limit=(None, 7.0, 40.0),
    )
    axes = fit(contract, profile).axes
    assert [axis.low for axis in axes] == [-0.5, -2.0, -1.0]
    assert [axis.high for axis in axes] == [1.0, 2.0, 1.0]
    assert [axis.velocity for axis in axes] == [1.0, 1.5, 3.0]
    assert [axis.acceleration for axis in axes] == [10.0, 7.0, 30.0]
    # where neither prescribes a limit there is none
    axes = fit(make_contract(), load(BOX)).axes
    assert [axis.velocity for axis in axes] == [math.inf] * 3


def test_a_bound_is_the_number_that_a_policy_computes_with(load):
    # seen to fail without float32: float32(2.8973) > 2.8973, and the bound clipped its own value
    axis = fit(ARM, load_profile("arm")).axes[0]
    _, high = ARM.action.ctrl_range
    assert axis.high == float(high[0]) != 2.8973


def test_bounds_that_exclude_each_other_are_refused(load):
    with pytest.raises(ProfileError) as error:
        fit(make_contract(), replace(load(BOX), low=(-9.0, -9.0, -9.0), high=(-1.0, 9.0, 9.0)))
    assert str(error.value) == (
        "Profile 'box' and contract 'demo' leave turn the ctrl from -1 to -1. Expected a range, "
        "and 0 in it unless it is of positions. Mend the profile."
    )


def test_a_velocity_needs_a_limit_to_be_ramped_to_zero_by(load):
    modes = ("joint_velocity", "torque", "gripper")
    contract = make_contract(action=make_action_map(modes=modes))
    profile = replace(
        load(BOX),
        modes=modes,
        units=("rad/s", "N", "m"),
        stop=("zero_velocity", "damp", "hold_position"),
    )
    with pytest.raises(ProfileError) as error:
        fit(contract, profile)
    assert str(error.value) == (
        "Profile 'box' has velocity_limit of turn = \"none\". Expected how fast its velocity may "
        "be ramped to zero, because it stops by zero_velocity. Mend the profile."
    )
    fit(contract, replace(profile, velocity_limit=(3.0, None, None)))


def test_every_difference_of_a_profile_is_listed(load):
    profile = replace(
        load(BOX),
        robot="crate",
        joints=("hinge", "slide_2", None),
        modes=("joint_position", "torque", "gripper"),
        units=("m", "N m", "m"),
    )
    assert profile_differences(make_contract(), profile) == (
        ("robot", "box", "crate"),
        ("mode of turn", "joint_position_delta", "joint_position"),
        ("unit of turn", "rad", "m"),
        ("joint of push", "slide", "slide_2"),
        ("unit of push", "N", "N m"),
    )
    assert profile_differences(make_contract(), load(BOX)) == ()


def test_another_order_is_one_difference(load):
    profile = load(BOX)
    # seen to fail (more rows) with j = i in profile_differences
    swapped = {
        name: (value[1], value[0], value[2])
        for name, value in vars(profile).items()
        if isinstance(value, tuple)
    }
    with pytest.raises(ProfileError) as error:
        fit(make_contract(), replace(profile, **swapped))
    assert str(error.value) == (
        "Profile 'box' does not fit the contract 'demo'. actuators: expected turn, push, pull, got "
        "push, turn, pull. Take the profile of the robot that the policy was trained for."
    )


def test_the_profiles_fit_their_tasks_and_no_others():
    limits = fit(ARM, load_profile("arm"))
    assert tuple(axis.velocity for axis in limits.axes) == ARM.action.velocity_limit
    assert tuple(axis.acceleration for axis in limits.axes) == ARM.action.acceleration_limit
    walker = load_task("ant").contract
    axes = fit(walker, load_profile("ant")).axes
    assert {(axis.low, axis.high) for axis in axes} == {(-42.0, 42.0)}
    with pytest.raises(ProfileError, match="robot: expected ant, got arm; actuators: expected fro"):
        fit(walker, load_profile("arm"))


@pytest.mark.parametrize(
    ("control_dt", "hold", "stop"),
    [
        (0.002, 50, 200),
        (0.01, 50, 200),
        (0.02, 60, 200),
        (0.03, 90, 300),
        (0.05, 150, 500),
        (0.1, 300, 500),
        (0.2, 500, 500),
    ],
)
def test_timers_are_those_of_the_bridge(load, control_dt, hold, stop):
    limits = fit(make_contract(control_dt=control_dt), load(BOX))
    assert limits.period_ns == round(control_dt * 1e9)
    assert limits.command_age_ns == 3 * limits.period_ns
    assert (limits.hold_ns, limits.stop_ns) == (hold * 1_000_000, stop * 1_000_000)


def test_a_profile_may_only_be_quicker_to_hold_and_to_stop(load):
    contract = make_contract(control_dt=0.02)
    limits = fit(contract, replace(load(BOX), hold_time=0.03, stop_time=0.1, ramp_time=0.5))
    assert (limits.hold_ns, limits.stop_ns, limits.ramp_ns) == (30_000_000, 10**8, 5 * 10**8)
    # a stop before the hold leaves none
    limits = fit(contract, replace(load(BOX), stop_time=0.05))
    assert (limits.hold_ns, limits.stop_ns) == (50_000_000, 50_000_000)
    for field, value, greatest in (("hold_time", 0.061, 0.06), ("stop_time", 0.201, 0.2)):
        with pytest.raises(ProfileError) as error:
            fit(contract, replace(load(BOX), **{field: value}))
        assert str(error.value) == (
            f"Profile 'box' has {field} = {value} s. Expected above the control period of 0.02 s "
            f"and at most {greatest} s: a profile may only be quicker. Mend the profile."
        )
    with pytest.raises(ProfileError, match="Expected above the control period"):
        fit(contract, replace(load(BOX), hold_time=0.02))


def test_a_policy_that_is_slower_than_the_watchdog_is_refused(load):
    with pytest.raises(ProfileError) as error:
        fit(make_contract(control_dt=0.5), load(BOX))
    assert str(error.value) == (
        "Contract 'demo' has control_dt 0.5 s. Expected below 0.5 s, after which a robot without "
        "commands stops. Train the policy at a higher rate."
    )
