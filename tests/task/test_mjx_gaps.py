"""What MJX cannot express is named; what is not named, MJX translates."""

import mujoco
import pytest
from mujoco import mjx

from robot_gcrl.task.mjx_gaps import mjx_gaps

BODIES = (
    "<body name='hand'><joint name='slide' type='slide' axis='0 0 1'/>"
    "<geom name='finger' type='{}' size='.1 .1 .1'{}/><site name='palm'/></body>"
    "<body name='can' pos='0 0 1'><freejoint name='free'/>"
    "<geom name='tin' type='{}' size='.1 .1 .1'{}/></body>"
)


def model(finger="sphere", tin="sphere", *, more="", option="", extra=("", ""), top=""):
    bodies = BODIES.format(finger, extra[0], tin, extra[1])
    return mujoco.MjModel.from_xml_string(
        f"<mujoco><option {option}/>{top}<worldbody>{bodies}</worldbody>{more}</mujoco>"
    )


GAPS = [
    (
        model("box", "cylinder"),
        "Geoms may touch that MJX cannot collide, cylinder with box: 'tin' with 'finger'. Use "
        "other shapes, or contype and conaffinity that keep them apart.",
    ),
    (
        model(option="integrator='implicit'"),
        "The option integrator is implicit; MJX has euler, rk4, implicitfast.",
    ),
    (model(option="solver='PGS'"), "The option solver is pgs; MJX has cg, newton."),
    (
        model(option="density='1' integrator='implicitfast'"),
        "The options density, viscosity or wind are set with the integrator implicitfast; MJX has "
        "a fluid with euler and rk4 alone.",
    ),
    (
        model(option="cone='elliptic'", extra=(" condim='1'", " condim='1'")),
        "MJX has no condim 1 with elliptic cones: 'finger' with 'tin'. Use condim 3.",
    ),
    (
        model(option="><flag energy='enable'/></option><option"),
        "The flag energy is enabled; MJX does not have it.",
    ),
    (
        model(
            more="<sensor><insidesite name='in' site='palm' objtype='body' objname='can'/></sensor>"
        ),
        "Sensor 'in' is of type insidesite, which MJX lacks.",
    ),
    (
        model(more="<sensor><contact name='felt' geom1='finger'/></sensor>"),
        "Sensor 'felt' is a contact sensor, which the engine mjx does not compute.",
    ),
    (
        model(more="<actuator><adhesion name='glue' body='hand' ctrlrange='0 1'/></actuator>"),
        "Actuator 'glue' has the trntype body; MJX has joint, jointinparent, tendon, site.",
    ),
    (
        model(more="<actuator><general joint='slide' dyntype='user' actdim='1'/></actuator>"),
        "Actuator number 0 has the dyntype user; MJX has none, integrator, filter, filterexact, "
        "muscle.",
    ),
]


def translate(model):
    mjx.put_model(model, impl="jax")
    mjx.make_data(model, impl="jax")


@pytest.mark.parametrize(("model", "sentence"), GAPS, ids=[s[:40] for _, s in GAPS])
def test_each_gap_is_named(model, sentence):
    assert mjx_gaps(model) == [sentence]
    if "contact sensor" not in sentence:  # our engine's own rule
        with pytest.raises(NotImplementedError):
            translate(model)


def test_all_gaps_are_named_at_once():
    # seen to fail with the first of them alone, as MJX tells it
    many = model("box", "cylinder", option="solver='PGS' integrator='implicit'")
    assert len(mjx_gaps(many)) == 3


def test_many_pairs_become_one_sentence():
    boxes = "".join(f"<geom name='b{i}' type='box' size='.1 .1 .1'/>" for i in range(6))
    many = mujoco.MjModel.from_xml_string(
        f"<mujoco><worldbody>{boxes}<body name='roller'><freejoint/><geom type='cylinder' "
        "size='.1 .1'/></body></worldbody></mujoco>"
    )
    (sentence,) = mjx_gaps(many)
    assert sentence.startswith(
        "Geoms may touch that MJX cannot collide, cylinder with box: one without a name (of body "
        "'roller') with 'b0'; "
    )
    assert "; and 3 more. Use" in sentence


def test_what_stays_apart_is_no_gap():
    # seen to fail with pairs of all geoms instead of those that may touch
    apart = model("box", "cylinder", extra=(" contype='2' conaffinity='2'", ""))
    assert mjx_gaps(apart) == []
