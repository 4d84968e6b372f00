"""One control step of a policy: what goes in, what comes out, and what every runtime promises.

What a policy remembers, its previous actions and ctrl and what is left of a chunk of actions, goes
in and comes out; a runtime keeps nothing. Letters: B robots, I inputs, G goal, A action, P previous
actions, Q queue (see `robot_gcrl.contract.chunk`).
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.errors import PolicyError


class PolicyOutput(NamedTuple):
    """What the policy commands, float32.

    Attributes:
      action: [B, A], in [-1, 1]; `robot_gcrl.contract.observe.remembered` makes the next step's
        previous actions of it.
      ctrl: [B, A], in physical units and contract order; the next step's previous ctrl.
      queue: [B, Q], what is left of the chunk of actions; the next step's queue. None of a policy
        that decides on each action.
    """

    action: np.ndarray
    ctrl: np.ndarray
    queue: np.ndarray | None = None


@runtime_checkable
class Runtime(Protocol):
    """Runs one policy; the same inputs give the same outputs, whatever was asked before."""

    name: str

    def __call__(
        self,
        inputs: np.ndarray,
        goal: np.ndarray,
        previous_action: np.ndarray,
        previous_ctrl: np.ndarray,
        queue: np.ndarray | None = None,
    ) -> PolicyOutput:
        """The mean action and its ctrl; a NaN that goes in is seen in what comes out.

        Args:
          inputs: [B, I], what the contract's `inputs` name, SI.
          goal: [B, G], SI.
          previous_action: [B, P], the newest first; 0 before the first.
          previous_ctrl: [B, A]; before the first, `robot_gcrl.contract.actuate.initial_ctrl`.
          queue: [B, Q]; 0, or None for all robots, before the first and wherever a chunk shall not
            go on: after a pause, or where the robot was moved. With another goal none goes on.

        Raises:
          PolicyError: arrays of other shapes.
        """
        ...

    def warm_up(self, batch_size: int) -> None:
        """Runs once for so many robots, so that the first step takes no longer than others."""
        ...


def check_step(
    contract: Contract,
    inputs: np.ndarray,
    goal: np.ndarray,
    previous_action: np.ndarray,
    previous_ctrl: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The arguments of a step as contiguous float32 arrays.

    Raises:
      PolicyError: one of them has another shape than the contract and the number of inputs say.
    """
    sizes = {
        "inputs": len(contract.inputs),
        "goal": contract.goal_size,
        "previous_action": contract.previous_action_size,
        "previous_ctrl": contract.action_size,
    }
    given = (inputs, goal, previous_action, previous_ctrl)
    first, second, third, fourth = (np.ascontiguousarray(value, np.float32) for value in given)
    rows = len(first)
    for (name, size), value in zip(sizes.items(), (first, second, third, fourth), strict=True):
        if value.shape != (rows, size):
            raise PolicyError(
                f"The policy of {contract.name!r} was given {name} of shape {value.shape}. "
                f"Expected (B, {size}), B being the same for all: {rows} rows of inputs. Give one "
                "row for each robot."
            )
    return first, second, third, fourth


def check_queue(
    contract: Contract, size: int, queue: np.ndarray | None, *, rows: int
) -> np.ndarray:
    """The queue of a step as a contiguous float32 array [B, Q]; zeros for None.

    Raises:
      PolicyError: it has another shape than policy (Q is `size`) and number of inputs say.
    """
    if queue is None:
        return np.zeros((rows, size), np.float32)
    queue = np.ascontiguousarray(queue, np.float32)
    if queue.shape != (rows, size):
        raise PolicyError(
            f"The policy of {contract.name!r} was given a queue of shape {queue.shape}. Expected "
            f"({rows}, {size}): what the step before gave, for each robot. Give that, or None "
            "where no chunk of actions was begun."
        )
    return queue


def warm_up(runtime: Runtime, contract: Contract, batch_size: int) -> None:
    """Runs a runtime once, on zeros."""

    def zeros(size: int) -> np.ndarray:
        return np.zeros((batch_size, size), np.float32)

    runtime(
        zeros(len(contract.inputs)),
        zeros(contract.goal_size),
        zeros(contract.previous_action_size),
        zeros(contract.action_size),
    )
