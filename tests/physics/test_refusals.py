import jax.numpy as jnp
import mujoco
import pytest

from robot_gcrl.errors import EngineError, UnknownNameError
from robot_gcrl.physics.make import make_engine
from tests.physics.models import arm_model, box_model


def model_of(world="", rest="", option=""):
    return mujoco.MjModel.from_xml_string(
        f"<mujoco><option>{option}</option><worldbody><body name='b'><joint name='j'/>"
        f"<geom size='.1'/></body>{world}</worldbody>{rest}</mujoco>"
    )


MODELS = {
    "1 mocap bodies": (
        {"world": "<body mocap='true'><geom size='.1'/></body>"},
        "Keep goals out of the model.",
    ),
    "1 actuator or sensor delays": (
        {"rest": "<actuator><motor joint='j' delay='.01' nsample='5'/></actuator>"},
        "Declare delays in the task.",
    ),
    "sleep enabled": (
        {"option": "<flag sleep='enable'/>"},
        'Set <flag sleep="disable"/>.',
    ),
}


@pytest.mark.parametrize("engine", ["native", "mjx"])
@pytest.mark.parametrize("what", MODELS)
def test_models_with_other_state_are_refused(engine, what):
    parts, instead = MODELS[what]
    with pytest.raises(EngineError) as caught:
        make_engine(engine, model_of(**parts), num_worlds=1, substeps=1)
    assert str(caught.value) == (
        f"Engine {engine!r} cannot run this model: it has {what}. Expected no state besides qpos, "
        f"qvel and actuator activations. {instead}"
    )


def test_history_and_flexes_are_refused():
    history = model_of(rest="<actuator><motor joint='j' nsample='5'/></actuator>")
    flex = model_of(
        world="<flexcomp name='f' type='grid' count='3 3 1' spacing='.1 .1 .1' dim='2'/>"
    )
    for model, what in ((history, "numbers of history"), (flex, "1 flexes")):
        with pytest.raises(EngineError, match=what):
            make_engine("native", model, num_worlds=1, substeps=1)


def test_mjx_refuses_what_it_would_not_compute():
    contact = model_of(rest="<sensor><contact body1='b'/></sensor>")
    with pytest.raises(EngineError) as caught:
        make_engine("mjx", contact, num_worlds=1, substeps=1)
    assert str(caught.value) == (
        "Engine 'mjx' cannot run this model: it has contact sensors, which need a second collision "
        "detection per control step. Use --engine native."
    )
    foreign = box_model()
    foreign.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICIT
    with pytest.raises(EngineError) as caught:
        make_engine("mjx", foreign, num_worlds=1, substeps=1)
    assert str(caught.value) == (
        "Engine 'mjx' cannot run this model: mjtIntegrator.mjINT_IMPLICIT. Use --engine native."
    )


_CONSTANTS = (
    " without the constants that follow from it, which MJX does not compute: body_invweight0, "
    "body_subtreemass, dof_invweight0. Give them too (robot_gcrl.physics.variants), or use "
    "--engine native."
)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("body_mass", _CONSTANTS),
        ("opt.timestep", _CONSTANTS),
        (
            "dof_frictionloss",
            ": MJX leaves out what is 0 in the MJCF. Give it a small value there, or use --engine "
            "native.",
        ),
        (
            "opt.wind",
            ": MJX leaves out what is 0 in the MJCF. Give it a small value there, or use --engine "
            "native.",
        ),
        ("sensor_cutoff", ": MJX takes it as fixed. Use --engine native."),
    ],
)  # fmt: skip
def test_mjx_refuses_fields_that_it_would_not_heed(name, why):
    engine = make_engine("mjx", arm_model(), num_worlds=1, substeps=1)
    with pytest.raises(EngineError) as caught:
        engine.init(jnp.zeros((1, 2)), jnp.zeros((1, 2)), {name: jnp.zeros((1, 1))})
    assert str(caught.value) == (
        f"Engine 'mjx' cannot vary model field {name!r} between worlds{why}"
    )


def test_engines_by_name():
    assert make_engine("auto", arm_model(), num_worlds=1, substeps=1).name == "native"
    with pytest.raises(EngineError) as caught:
        make_engine("warp", arm_model(), num_worlds=1, substeps=1)
    assert str(caught.value) == (
        "Engine 'warp' is not available: it was not measured on a GPU yet. Available: native, mjx. "
        "Use --engine mjx."
    )
    with pytest.raises(UnknownNameError) as caught:
        make_engine("nativ", arm_model(), num_worlds=1, substeps=1)
    assert str(caught.value) == (
        "Unknown engine 'nativ'. Did you mean 'native'? See: robot-gcrl train --help"
    )
