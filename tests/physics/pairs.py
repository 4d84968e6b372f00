"""Both engines for one task, from the same state with the same ctrl (design: tasks.md)."""

import functools

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from robot_gcrl.contract.actuate import actuate, initial_ctrl
from robot_gcrl.contract.observe import make_layout, read_inputs
from robot_gcrl.physics.engine import Starts, report
from robot_gcrl.physics.make import make_engine
from robot_gcrl.task.registry import load_task

N, STEPS = 4, 20


class Pair:
    """Both engines for one task, compiled once."""

    def __init__(self, name):
        self.task = load_task(name)
        self.layout = make_layout(self.task.contract, self.task.model)
        self.engines = {
            engine: make_engine(engine, self.task.model, num_worlds=N, substeps=self.task.substeps)
            for engine in ("native", "mjx")
        }
        self.steps = {name: jax.jit(engine.step) for name, engine in self.engines.items()}

    def start(self):
        qpos, qvel = jax.vmap(self.task.train.start)(jax.random.split(jax.random.key(0), N))
        return jax.jit(lambda q, v: self.engines["native"].init(q, v, {}))(qpos, qvel)

    def controls(self, state, count):
        """Random actions as ctrl [N, nu], in the model's order."""
        action_map = self.task.contract.action
        inputs = read_inputs(self.layout, report(jax.device_get(state)))
        previous = initial_ctrl(self.task.contract, inputs)
        for action in np.random.default_rng(0).uniform(-1, 1, (count, *previous.shape)):
            previous = actuate(action_map, np.float32(action), previous)
            ctrl = np.zeros_like(previous)
            ctrl[:, self.layout.actuators] = previous
            yield jnp.asarray(ctrl)

    def contacts(self, qpos):
        """How many contacts one world has."""
        data = mujoco.MjData(self.task.model)
        data.qpos = qpos
        mujoco.mj_forward(self.task.model, data)
        return data.ncon

    def differences(self, state, count):
        """Greatest differences of qpos, qvel and sensordata, each [count]: one a control step."""
        states = {name: state for name in self.steps}  # noqa: C420
        starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
        worst = []
        for ctrl in self.controls(state, count):
            for engine, step in self.steps.items():
                states[engine] = step(states[engine], ctrl, starts)
            native, mjx = states["native"], states["mjx"]
            assert not np.asarray(native.diverged | mjx.diverged).any()
            worst.append(
                [
                    np.abs(getattr(native, part) - getattr(mjx, part)).max(initial=0.0)
                    for part in ("qpos", "qvel", "sensordata")
                ]
            )
        return np.array(worst).T


@functools.cache
def pair(name):
    return Pair(name)


def assert_agree_without_contact(pair, state):
    qpos, qvel, sensordata = pair.differences(state, STEPS)
    assert qpos.max() <= 1e-3
    assert qvel.max() <= 1e-2
    assert sensordata.max() <= 1e-2
