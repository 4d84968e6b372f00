"""What N worlds of an environment are at one instant."""

from typing import NamedTuple

from jaxtyping import Array, Bool, Float, Int

from robot_gcrl.contract.reality import Reality
from robot_gcrl.env.proposer import Proposing
from robot_gcrl.env.realities import Drawn
from robot_gcrl.physics.engine import Held, Starts, State, Ticket


class EnvState(NamedTuple):
    """N worlds at one control step.

    Attributes:
      physics: the engine's state.
      goal: [N, G], SI, the goal to be pursued from here.
      previous_action: [N, P], clipped to [-1, 1], the newest first; 0 before the start.
      previous_ctrl: [N, A] in contract order, SI; the measured position at a start.
      step: [N], control steps since the episode began.
      length: [N], control steps after which the episode is truncated.
      episode: [N], number of the world's episode, from 0; a step that diverged has one of its own.
      ended: [N], whether this is the episode's last state.
      terminated: [N], whether it ended in an unhealthy state; else it was truncated.
      steps_at_goal: [N], control steps of the episode that ended within the success radius.
      reached: [N], whether that is more than 0.
      reality: how the worlds depart from their model; empty without realism.
      proposing: what goals are proposed from, and their pursuit; empty where none are proposed.
    """

    physics: State
    goal: Float[Array, "N G"]
    previous_action: Float[Array, "N P"]
    previous_ctrl: Float[Array, "N A"]
    step: Int[Array, " N"]
    length: Int[Array, " N"]
    episode: Int[Array, " N"]
    ended: Bool[Array, " N"]
    terminated: Bool[Array, " N"]
    steps_at_goal: Int[Array, " N"]
    reached: Bool[Array, " N"]
    reality: Reality | tuple[()] = ()
    proposing: Proposing | tuple[()] = ()


class Begun(NamedTuple):
    """A control step as far as it is known before the physics.

    Attributes:
      before: the state that the step begins with.
      action: [N, A], clipped.
      commanded: [N, A], ctrl in contract order, SI.
      ctrl: [N, A], that is in force; without realism the commanded one.
      starts: where worlds that had ended begin.
      key: for what is drawn when the step is over.
      held: the ctrl that is in force at first, where commands are late; None without realism.
      drawn: what realism drew for this step; None without it.
    """

    before: EnvState
    action: Float[Array, "N A"]
    commanded: Float[Array, "N A"]
    ctrl: Float[Array, "N A"]
    starts: Starts
    key: Array
    held: Held | None = None
    drawn: Drawn | None = None


class EnvTicket(NamedTuple):
    """A control step under way.

    Attributes:
      physics: the engine's ticket.
      begun: what is known of it.
    """

    physics: Ticket
    begun: Begun

    @property
    def token(self) -> Int[Array, ""]:
        """The number 0, that what shall run during the step must depend on."""
        return self.physics.token
