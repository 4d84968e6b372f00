import re
from dataclasses import replace

import pytest

from robot_gcrl.bridge.profile_file import load_profile, profile_names
from robot_gcrl.errors import ProfileError, UnknownNameError
from tests.bridge.boxes import BOX


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "box.toml"
        path.write_text(text)
        return load_profile(path)

    return load


def changed(line: str) -> str:
    """BOX with one of its lines in another form; a new line is added."""
    key = line.split(" =")[0]
    kept = [old for old in BOX.splitlines() if old.split(" =")[0] != key]
    return "\n".join([*kept, line])


def message(error) -> str:
    """With the folder of the test left out."""
    return re.sub(r"/\S*/box\.toml", "box.toml", str(error.value))


def test_a_single_value_stands_for_all_actuators(load):
    profile = load(BOX)
    assert profile.name == "box"
    assert profile.joints == ("hinge", "slide", None)
    assert profile.low == (-1.0, -1.0, -1.0)
    assert profile.high == (1.0, 2.0, 1.0)
    assert profile.damping == (None, 0.5, None)
    assert profile.velocity_limit == (None, None, None)
    assert (profile.ramp_time, profile.hold_time, profile.stop_time) == (1.0, None, None)


@pytest.mark.parametrize("name", profile_names())
def test_profiles_that_come_with_the_library_load_by_name(name):
    assert load_profile(name).name == name


def test_the_profiles_of_ant_and_arm_are_there():
    assert {"ant", "arm"} <= set(profile_names())


def test_an_unknown_name_is_answered_with_the_closest():
    with pytest.raises(UnknownNameError) as error:
        load_profile("amr")
    assert str(error.value) == (
        "Unknown profile 'amr'. Did you mean 'arm'? See: controllers/README.md"
    )


BAD_LINES = [
    ("low = [-1.0, -1.0]", "has 2 values of low for 3 actuators. Expected one for each, or a "
     "single one for all. Mend the file."),
    ("low = nan", "has low = nan. Expected a finite number. Mend the file."),
    ("high = [1.0, inf, 1.0]", "has high[1] = inf. Expected a finite number. Mend the file."),
    ('high = [1.0, "none", 1.0]', "has high[1] = 'none'. Expected a finite number. Mend the file."),
    ("low = true", "has low = True. Expected a finite number. Mend the file."),
    ("robot = 3", "has robot = 3. Expected a text. Mend the file."),
    ('robot = ""', "has robot = ''. Expected a text. Mend the file."),
    ('stop = "halt"', "has stop = 'halt'. Expected one of hold_position, zero_velocity, damp, "
     "legged. Mend the file."),
    ('modes = ["torque", "torque", "servo"]', "has modes[2] = 'servo'. Expected one of torque, "
     "joint_position, joint_position_delta, joint_velocity, gripper. Mend the file."),
    ('actuators = "turn"', "has actuators = 'turn'. Expected an array of names. Mend the file."),
    ("actuators = []", "has actuators = []. Expected an array of names. Mend the file."),
    ("ramp_time = [1.0]", "has ramp_time = [1.0]. Expected a finite number. Mend the file."),
    ("damping = {turn = 1.0}", "has damping = {'turn': 1.0}. Expected a finite number. Mend the "
     "file."),
]  # fmt: skip


@pytest.mark.parametrize(("line", "text"), BAD_LINES, ids=[line for line, _ in BAD_LINES])
def test_values_of_another_type_are_refused_in_one_line(load, line, text):
    with pytest.raises(ProfileError) as error:
        load(changed(line))
    assert message(error) == f"The profile box.toml {text}"


def test_unknown_keys_are_refused(load):
    with pytest.raises(UnknownNameError) as error:
        load(changed("velocity_limits = 3.0"))
    assert message(error) == (
        "Unknown key of the profile box.toml: 'velocity_limits'. Did you mean 'velocity_limit'? "
        "See: controllers/README.md"
    )


def test_missing_keys_are_all_named(load):
    with pytest.raises(ProfileError) as error:
        load('actuators = ["turn"]\nlow = 0.0')
    assert message(error) == (
        "The profile box.toml lacks robot, joints, modes, units, high, stop. Expected all of: "
        "robot, actuators, joints, modes, units, low, high, stop. Add what is missing."
    )


def test_a_file_that_is_no_toml_or_not_there_is_refused(load, tmp_path):
    with pytest.raises(ProfileError) as error:
        load("robot = ")
    assert message(error) == (
        "The profile box.toml cannot be read: Invalid value (at end of document). Expected a TOML "
        "file like those in controllers/profiles. Mend or name another one."
    )
    with pytest.raises(ProfileError, match="No such file"):
        load_profile(tmp_path / "absent.toml")


SENSELESS = [
    ("high = -1.0", "has low, high of turn = [-1.0, -1.0]. Expected finite numbers, the lower "
     "first."),
    ("low = [-1.0, 0.5, -1.0]", "has low, high of push = [0.5, 2.0]. Expected 0 between them, for "
     "the stop."),
    ('actuators = ["turn", "turn", "pull"]', "has actuators = ['turn', 'turn', 'pull']. Expected "
     "at least one, each named once."),
    ('units = ["rad", "rad", "m"]', "has units of push = 'rad'. Expected N m or N in mode torque."),
    ("velocity_limit = 0.0", 'has velocity_limit of turn = 0.0. Expected a number above 0, or '
     '"none".'),
    ('margin = [0.1, "none", "none"]', 'has position_low, position_high, margin of turn = ["none", '
     '"none", 0.1]. Expected all three, or none of them.'),
    ('stop = ["hold_position", "hold_position", "hold_position"]', "has stop of push = "
     "'hold_position'. Expected damp in mode torque."),
    ('stop = ["damp", "damp", "hold_position"]', "has stop of turn = 'damp'. Expected "
     "hold_position or legged in mode joint_position_delta."),
    ('damping = "none"', 'has damping of push = "none". Expected a number with stop = '
     "'damp'."),
    ('damping = [1.0, 0.5, "none"]', 'has damping of turn = 1.0. Expected "none" with stop = '
     "'hold_position'."),
    ('damping = ["none", -1.0, "none"]', "has damping of push = -1.0. Expected a number of at "
     "least 0."),
    ('joints = ["hinge", "none", "none"]', "has damping of push = 0.5. Expected 0 where no joint "
     "is driven."),
    ("ramp_time = 0.0", "has ramp_time = 0.0. Expected seconds above 0."),
    ("stop_time = -0.1", "has stop_time = -0.1. Expected seconds above 0."),
]  # fmt: skip


@pytest.mark.parametrize(("line", "text"), SENSELESS, ids=[line for line, _ in SENSELESS])
def test_values_that_make_no_sense_together_are_refused(load, line, text):
    with pytest.raises(ProfileError) as error:
        load(changed(line))
    assert str(error.value) == f"Profile 'box' {text} Mend the profile."


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1])
def test_a_margin_leaves_room_between_the_joints_limits(load, margin):
    profile = load(BOX)
    limits = {"position_low": (-1.0, None, None), "position_high": (1.0, None, None)}
    with pytest.raises(ProfileError, match="Expected a margin above 0 that leaves room between"):
        replace(profile, margin=(margin, None, None), **limits)
    replace(profile, margin=(0.9, None, None), **limits)


def test_joint_limits_need_a_joint(load):
    limits = {"position_low": (None, None, -1.0), "position_high": (None, None, 1.0)}
    with pytest.raises(ProfileError, match='Expected "none" where no joint is driven'):
        replace(load(BOX), margin=(None, None, 0.1), **limits)
