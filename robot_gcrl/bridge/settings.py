"""How a server serves, and by which deadlines."""

from dataclasses import dataclass

from robot_gcrl.errors import BridgeError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the user asked of a server.

    Attributes:
      policy: name of the policy and the first digits of its file's sha256.
      scale: what forces and changes are multiplied by, in (0, 1]: for bringing a robot up.
      dry_run: whether commands are computed and recorded, and not sent.
    """

    policy: str
    scale: float = 1.0
    dry_run: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.scale <= 1.0:
            raise BridgeError(
                f"--scale is {self.scale}. Expected a number above 0 and at most 1. Change it."
            )
