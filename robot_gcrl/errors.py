"""The errors that a user can cause and mend.

Everything under `RobotGcrlError` is shown by the command line as one line with exit code 2; any
other exception is a bug of ours and keeps its traceback. A message has four parts: what failed, the
value got, what was expected or exists, what to do.
"""

import difflib
from collections.abc import Iterable


class RobotGcrlError(Exception):
    """A failure that the message explains to the user."""


class UnknownNameError(RobotGcrlError):
    """A name that no registry holds."""


class ConfigError(RobotGcrlError):
    """A setting out of its range, or settings that contradict each other."""


class ContractError(RobotGcrlError):
    """A contract that is inconsistent in itself or does not fit its model."""


class TaskError(RobotGcrlError):
    """A task, scene or maze that cannot be built."""


class EngineError(RobotGcrlError):
    """A physics engine that is absent or cannot run this model."""


class CheckpointError(RobotGcrlError):
    """A run folder or checkpoint that is missing, foreign, damaged or cannot be written."""


class DatasetError(RobotGcrlError):
    """A file of recorded trajectories that is missing, foreign, damaged or cannot be written."""


class BridgeError(RobotGcrlError):
    """An endpoint, peer or key with which the bridge cannot work."""


class ProfileError(RobotGcrlError):
    """A robot's profile that is wrong in itself or does not fit the policy."""


class RobotError(RobotGcrlError):
    """A robot that must not be moved as it is, or as it was asked to be."""


class PolicyError(RobotGcrlError):
    """A policy file that is missing, damaged or cannot be written, or what cannot run it."""


class RenderingError(RobotGcrlError):
    """A picture or video that this machine cannot draw."""


class ViewerError(RobotGcrlError):
    """A viewer that cannot be shown as it was asked to."""


def unknown_name(
    kind: str, name: str, known: Iterable[str], *, see: str, lists: bool = True
) -> UnknownNameError:
    """Returns the error for `name`, which is none of `known`, with the closest name suggested.

    Args:
      kind: what the name names, as the sentence begins: "task", "preset".
      name: what the user wrote.
      known: the names that exist.
      see: a command or a list that shows them all.
      lists: whether all of them are told where none is close; not of dozens.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    listed = f"Known: {', '.join(names)}. " if lists else ""
    hint = f"Did you mean {close[0]!r}? " if close else listed
    return UnknownNameError(f"Unknown {kind} {name!r}. {hint}See: {see}")
