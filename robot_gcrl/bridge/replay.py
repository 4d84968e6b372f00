"""`robot-gcrl bridge replay`: do the same reports give the same commands?

See `robot_gcrl.bridge.player` for how a recording is played.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from robot_gcrl.bridge.player import Player, cycles
from robot_gcrl.bridge.record import read_recording
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.contract import Contract
from robot_gcrl.contract.difference import differences
from robot_gcrl.errors import BridgeError
from robot_gcrl.policy.runtime import Runtime


class Replay(NamedTuple):
    """What a replay gave.

    Attributes:
      commands: recorded, and compared.
      different: of these, by more than the tolerance, or with another goal.
      worst: greatest difference of a ctrl, in its unit.
      missing: commands that were recorded and are not given now.
      extra: commands that are given now and were not recorded.
      first: the first difference, in words; empty without one.
      tolerance: that was allowed.
      runtimes: that recorded, that computes now; their last bits differ.
    """

    commands: int
    different: int
    worst: float
    missing: int
    extra: int
    first: str
    tolerance: float
    runtimes: tuple[str, str]

    @property
    def ok(self) -> bool:
        """Whether the same reports gave the same commands; not so if there were none."""
        return self.commands > 0 and not (self.different or self.missing or self.extra)

    @property
    def data(self) -> dict[str, Any]:
        """For `--json`."""
        return {"ok": self.ok} | self._asdict()

    @property
    def text(self) -> str:
        """For a person."""
        if not self.commands and not self.extra:
            return "No command was recorded: there is nothing to compare."
        verdict = "the same commands" if self.ok else "OTHER COMMANDS"
        allowed = "bit for bit" if self.tolerance == 0.0 else f"within {self.tolerance:g}"
        lines = [
            f"The same reports gave {verdict} ({allowed}): {self.commands} compared, "
            f"{self.different} different, {self.missing} missing, {self.extra} extra; worst "
            f"difference {self.worst:.3g}."
        ]
        then, now = self.runtimes
        if then != now and not self.ok:
            lines.append(
                f"It was recorded on {then} and played on {now}, which round differently: play it "
                f"with --runtime {then}, or allow a --tolerance."
            )
        return "\n".join(lines + [f"First: {self.first}"] * bool(self.first))


def replay(path: Path, contract: Contract, runtime: Runtime, *, tolerance: float = 0.0) -> Replay:
    """Plays a recording and compares every command.

    Args:
      path: of the recording.
      contract: of the policy.
      runtime: that computes it.
      tolerance: allowed difference of a ctrl, in its unit: 0 for the runtime and machine that
        recorded, about 1e-5 of the range for others.

    Raises:
      BridgeError: it is no recording, or one of another contract.
    """
    header, entries = read_recording(path)
    if header.get("sha256") != contract.sha256:
        rows = differences(contract, str(header.get("contract")))
        listed = "; ".join(f"{n}: expected {a}, got {b}" for n, a, b in rows)
        raise BridgeError(
            f"The recording {path} is of another contract than {contract.name!r}: {listed}. "
            "Expected the same. Give the policy that was served, or one of the same contract."
        )
    settings = Settings(
        policy=str(header.get("policy")),
        scale=header.get("scale", 1.0),
        dry_run=header.get("dry_run", False),
    )
    with tempfile.TemporaryDirectory() as folder:
        stops = StopBook(Path(folder) / "stops.json")
        player = Player(contract, runtime, settings, stops, tolerance)
        for heard, said in cycles(entries):
            player.play(heard, said)
    return Replay(
        commands=player.commands,
        different=player.different,
        worst=player.worst,
        missing=player.missing,
        extra=player.extra,
        first=player.first,
        runtimes=(str(header.get("runtime", runtime.name)), runtime.name),
        tolerance=tolerance,
    )
