"""Variants of a model are what MuJoCo makes of a model that was written so."""

import mujoco
import numpy as np
import pytest

from robot_gcrl.contract.realism import Realism, Variation
from robot_gcrl.errors import ContractError, UnknownNameError
from robot_gcrl.physics.variants import CONSTANTS, apply_variant, make_variants
from tests.contract.contracts import make_spec


@pytest.fixture(scope="module")
def model():
    return make_spec().compile()


def vary(model, *variations, slope=0.0, count=64):
    return make_variants(model, Realism(variations=variations, slope=slope), seed=0, count=count)


def test_nothing_is_varied_without_variations(model):
    assert vary(model) == {}


def test_masses_keep_their_shape_and_constants_follow(model):
    # seen to fail with the inertia left alone, and without mj_setConst
    variants = vary(model, Variation(quantity="mass", low=0.5, high=2.0))
    assert set(variants) == {"body_mass", "body_inertia", *CONSTANTS} - {"tendon_invweight0"}
    factor = variants["body_mass"][:, 1:] / model.body_mass[1:]
    assert (factor.min(), factor.max()) == pytest.approx((0.5, 2.0), abs=0.03)
    assert np.ptp(factor, axis=1).min() > 0.0  # each body its own
    inertia = variants["body_inertia"][:, 1:] / model.body_inertia[1:]
    np.testing.assert_allclose(inertia, np.repeat(factor[..., None], 3, -1), rtol=1e-5)
    expected = make_spec().compile()
    expected.body_mass[:], expected.body_inertia[:] = (
        variants["body_mass"][7], variants["body_inertia"][7],
    )  # fmt: skip
    mujoco.mj_setConst(expected, mujoco.MjData(expected))
    for name in ("body_invweight0", "dof_invweight0", "body_subtreemass"):
        np.testing.assert_allclose(variants[name][7], getattr(expected, name), rtol=1e-4)


def test_the_model_itself_is_left_alone(model):
    before = model.body_mass.copy(), model.opt.gravity.copy()
    vary(model, Variation(quantity="mass", low=0.5, high=2.0), slope=0.3)
    np.testing.assert_array_equal(model.body_mass, before[0])
    np.testing.assert_array_equal(model.opt.gravity, before[1])


def test_one_draw_for_all(model):
    # seen to fail with `together` not read
    variants = vary(model, Variation(quantity="friction", low=0.5, high=1.5, together=True))
    factor = variants["geom_friction"][..., 0] / model.geom_friction[:, 0]
    assert np.ptp(factor, axis=1).max() < 1e-5
    assert np.ptp(factor[:, 0]) > 0.9
    np.testing.assert_allclose(
        variants["geom_friction"][..., 1:], np.tile(model.geom_friction[:, 1:], (64, 1, 1))
    )


def test_gains_of_a_servo_scale_stiffness_on_both_sides(model):
    gain = Variation(quantity="actuator_gain", names=("turn",), low=0.5, high=1.5)
    variants = vary(model, gain)
    turn, push = model.actuator("turn").id, model.actuator("push").id
    stiffness = variants["actuator_gainprm"][:, turn, 0]
    np.testing.assert_allclose(variants["actuator_biasprm"][:, turn, 1], -stiffness)
    assert np.ptp(stiffness) > 0.9
    assert np.ptp(variants["actuator_gainprm"][:, push, 0]) == 0.0


def test_the_ground_slopes_in_every_direction(model):
    # seen to fail with the tilt in one direction alone
    gravity = vary(model, slope=0.2, count=512)["opt.gravity"]
    np.testing.assert_allclose(np.linalg.norm(gravity, axis=-1), 9.81, rtol=1e-4)
    tilt = np.arccos(-gravity[:, 2] / 9.81)
    assert 0.19 < tilt.max() <= 0.2001
    assert np.histogram(np.arctan2(gravity[:, 1], gravity[:, 0]), 4, (-np.pi, np.pi))[0].min() > 90


def test_a_loss_that_mjx_would_leave_out_is_refused(model):
    with pytest.raises(ContractError, match=r"The friction loss of joint 'hinge' cannot be varied"):
        vary(model, Variation(quantity="friction_loss", names=("hinge",), low=0.1, high=0.2))


def test_joints_by_name_are_their_dofs():
    model = make_spec().compile()
    model.dof_frictionloss[:6] = 1e-3
    variants = vary(model, Variation(quantity="friction_loss", names=("root",), low=0.1, high=0.2))
    loss = variants["dof_frictionloss"]
    first = int(model.joint("root").dofadr[0])
    assert (loss[:, first : first + 6] >= np.float32(0.1)).all()
    assert np.abs(np.delete(loss, range(first, first + 6), axis=1)).max() == 0.0


def test_unknown_elements(model):
    with pytest.raises(UnknownNameError) as caught:
        vary(model, Variation(quantity="damping", names=("hing",), low=1.0, high=1.0))
    assert str(caught.value) == (
        "Unknown joint 'hing'. Did you mean 'hinge'? See: the MJCF of the task"
    )


def test_a_single_body_keeps_its_center_of_mass():
    spec = mujoco.MjSpec.from_string(
        "<mujoco><worldbody><body name='cube'><freejoint/><geom type='box' size='.1 .1 .1'/></body>"
        "</worldbody></mujoco>"
    )
    moved = Variation(quantity="center_of_mass", names=("cube",), low=-0.01, high=0.01)
    with pytest.raises(ContractError, match=r"The center of mass of body 'cube' cannot be varied"):
        vary(spec.compile(), moved)


def test_a_variant_is_applied_to_a_model_with_more_in_it(model):
    # seen to fail with the markers' masses overwritten, and with qpos at qpos0 after it
    spec = make_spec()
    spec.worldbody.add_body(name="marker", mocap=True).add_geom(size=(0.1, 0, 0), mass=0.0)
    larger = spec.compile()
    variants = vary(model, Variation(quantity="mass", low=0.5, high=2.0), slope=0.1)
    fields = {k: v[3] for k, v in variants.items() if k not in CONSTANTS}
    data = mujoco.MjData(larger)
    data.qpos[:] = qpos = np.r_[1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.4, 0.1]
    apply_variant(larger, data, fields)
    np.testing.assert_array_equal(data.qpos, qpos)
    np.testing.assert_allclose(larger.body_mass[: model.nbody], fields["body_mass"])
    np.testing.assert_allclose(larger.opt.gravity, fields["opt.gravity"])
    np.testing.assert_allclose(
        larger.body_subtreemass[1], variants["body_subtreemass"][3][1], rtol=1e-5
    )
