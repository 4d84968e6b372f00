"""What steps N worlds of one model, traceable in every engine.

`State` is everything: two equal states give two equal futures, and a checkpoint needs nothing else.
A world that is reset is put at its start *instead of* being stepped, in the same call, so that a
reset costs no extra trip to the physics. All functions may be called inside jit, and inside scan.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float, Int

from robot_gcrl.contract.observe import Report


class State(NamedTuple):
    """N worlds at one instant, float32.

    Attributes:
      qpos: [N, nq].
      qvel: [N, nv].
      act: [N, na], actuator activations.
      qacc_warmstart: [N, nv], where the constraint solver starts.
      time: [N], since the reset [s].
      fields: model fields that differ between worlds, by MJCF-array name: [N, ...] each.
      sensordata: [N, ns], of the same instant as qpos; 0 for sensors of the acceleration stage,
        which no contract may read.
      diverged: [N], whether the last step produced a state that is not to be used.
    """

    qpos: Float[Array, "N nq"]
    qvel: Float[Array, "N nv"]
    act: Float[Array, "N na"]
    qacc_warmstart: Float[Array, "N nv"]
    time: Float[Array, " N"]
    fields: Mapping[str, Float[Array, "N ..."]]
    sensordata: Float[Array, "N ns"]
    diverged: Bool[Array, " N"]


class Starts(NamedTuple):
    """Which worlds are put at a start, and where.

    Attributes:
      mask: [N], the worlds to reset.
      qpos: [N, nq], read where mask.
      qvel: [N, nv], read where mask.
      fields: the new model fields, read where mask; empty keeps those of the state.
    """

    mask: Bool[Array, " N"]
    qpos: Float[Array, "N nq"]
    qvel: Float[Array, "N nv"]
    fields: Mapping[str, Float[Array, "N ..."]]


class Held(NamedTuple):
    """The ctrl that stays in force at the beginning of a control step, while a new one is late.

    Attributes:
      ctrl: [N, nu], in the model's actuator order.
      substeps: [N], physics substeps before the new ctrl is in force; at most those of the step.
    """

    ctrl: Float[Array, "N nu"]
    substeps: Int[Array, " N"]


class Ticket(NamedTuple):
    """A step under way.

    Attributes:
      token: a number that only `Engine.start` knows (it is 0): what shall run during the step must
        take it as an argument, so that the compiler cannot move it to before the start.
      state: what the step began with (engines without overlap: what it ended with).
    """

    token: Int[Array, ""]
    state: State


@runtime_checkable
class Engine(Protocol):
    """Steps N worlds of one model."""

    @property
    def name(self) -> str:
        """native, mjx or warp."""
        ...

    @property
    def takes_constants(self) -> bool:
        """Whether `State.fields` must hold what mj_setConst derives from the fields in it."""
        ...

    @property
    def num_worlds(self) -> int:
        """N."""
        ...

    def init(
        self,
        qpos: Float[Array, "N nq"],
        qvel: Float[Array, "N nv"],
        fields: Mapping[str, Float[Array, "N ..."]],
    ) -> State:
        """The state of N worlds at their starts, sensors computed."""
        ...

    def step(
        self,
        state: State,
        ctrl: Float[Array, "N nu"],
        starts: Starts,
        held: Held | None = None,
    ) -> State:
        """The state one control step later, or at its start where `starts.mask`.

        `ctrl` is in the model's actuator order; `held` says where another one comes first.
        """
        ...

    def start(
        self,
        state: State,
        ctrl: Float[Array, "N nu"],
        starts: Starts,
        held: Held | None = None,
    ) -> Ticket:
        """Begins `step` and returns without waiting for it, where the engine can."""
        ...

    def wait(self, ticket: Ticket, after: Float[Array, ""]) -> State:
        """The state that `start` began to compute, once `after` has been computed."""
        ...


def report(state: State) -> Report:
    """What N worlds measure, of the instant of `state`."""
    return Report(state.qpos, state.qvel, state.sensordata)
