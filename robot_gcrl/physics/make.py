"""Engines by name."""

from typing import Literal, get_args

import jax
import mujoco

from robot_gcrl.errors import EngineError, unknown_name
from robot_gcrl.physics.engine import Engine
from robot_gcrl.physics.native import NativeEngine

EngineName = Literal["auto", "native", "mjx", "warp"]


def make_engine(
    name: str,
    model: mujoco.MjModel,
    *,
    num_worlds: int,
    substeps: int,
    threads: int | None = None,
    overlap: bool = True,
) -> Engine:
    """The engine called `name`; "auto" takes native on a CPU and MJX on an accelerator.

    Args:
      name: one of `EngineName`.
      model: the task's model.
      num_worlds: N.
      substeps: physics steps per control step.
      threads: of the native engine; None takes all cores, but one if `overlap`.
      overlap: of the native engine: whether physics runs beside what is computed between `start`
        and `wait`; the result is the same.

    Raises:
      UnknownNameError: no such engine.
      EngineError: the engine cannot run this model.
    """
    if name == "auto":
        name = "native" if jax.default_backend() == "cpu" else "mjx"
    if name == "native":
        return NativeEngine(
            model, num_worlds=num_worlds, substeps=substeps, threads=threads, overlap=overlap
        )
    if name == "mjx":
        from robot_gcrl.physics.mjx import MjxEngine  # importing MJX takes seconds

        return MjxEngine(model, num_worlds=num_worlds, substeps=substeps)
    if name == "warp":
        raise EngineError(
            "Engine 'warp' is not available: it was not measured on a GPU yet. Available: native, "
            "mjx. Use --engine mjx."
        )
    raise unknown_name("engine", name, get_args(EngineName), see="robot-gcrl train --help")
