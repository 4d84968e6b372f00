"""What verification finds, and how it says it."""

import json
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime.file import PolicyFile
from robot_gcrl.policy.verify import format_verification, verify_policy
from robot_gcrl.policy.write import arrays_bytes
from tests.policy.damage import entries_of, rewrite

NAMES = ["entries", "contract", "numpy", "onnxruntime", "c"]


def test_an_intact_file(file: PolicyFile) -> None:
    result = verify_policy(file.path)
    assert json.loads(json.dumps(result)) == result
    assert result["ok"] is True
    assert [check["name"] for check in result["checks"]] == NAMES
    for check in result["checks"][2:4]:
        assert 0.0 < check["worst_difference"] < 1e-5
    text = format_verification(result)
    lines = text.splitlines()
    assert lines[0] == (f"{file.path}: task demo, actor 4 x 16, sha256 {file.sha256[:12]}")
    assert lines[1] == "  entries      ok        9 entries have the sha256 of the manifest"
    assert lines[3].startswith("  numpy        ok        worst difference ")
    assert lines[3].endswith(" (at most 1e-05)")


@pytest.mark.parametrize(("entry", "failing"), [("weights.npz", ["numpy", "c"]),
                                                ("policy.onnx", ["onnxruntime"])])  # fmt: skip
def test_a_forged_file_fails_on_the_runtimes_that_it_concerns(
    copied: Path, file: PolicyFile, entry: str, failing: list[str]
) -> None:
    """The sha256 fit, as a forger writes them; the examples do not."""
    # seen to fail with ONNX Runtime asked in place of NumPy

    def forge(entries: dict[str, bytes]) -> None:
        if entry == "weights.npz":
            weights = {name: value * np.float32(1.1) for name, value in file.weights.items()}
            entries[entry] = arrays_bytes(weights)
        else:
            bias = file.weights["head/bias"].tobytes()
            changed = (file.weights["head/bias"] + np.float32(0.1)).tobytes()
            assert entries[entry].count(bias) == 1
            entries[entry] = entries[entry].replace(bias, changed)

    rewrite(copied, forge)
    result = verify_policy(copied)
    assert result["ok"] is False
    assert [check["name"] for check in result["checks"] if check["ok"] is False] == failing
    assert "FAILED    worst difference" in format_verification(result)


def test_a_damaged_file_is_an_error_of_one_line(copied: Path) -> None:
    entries = entries_of(copied)
    entries["weights.npz"] = entries["weights.npz"][:-1] + b"x"
    rewrite(copied, lambda e: e.update(entries), hashed=False)
    with pytest.raises(PolicyError, match=r"weights\.npz has other content than was written"):
        verify_policy(copied)


def test_what_this_machine_lacks_does_not_count(
    file: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robot_gcrl.policy.verify.is_installed", lambda: False)
    monkeypatch.setattr("robot_gcrl.policy.verify.shutil.which", lambda name: None)
    result = verify_policy(file.path)
    assert result["ok"] is True
    assert [check["ok"] for check in result["checks"]] == [True, True, True, None, None]
    assert format_verification(result).splitlines()[4:] == [
        "  onnxruntime  not here  onnxruntime is not installed",
        "  c            not here  no C compiler (cc, gcc, clang, or CC) is installed",
    ]


def test_a_compiler_that_fails(file: PolicyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false --always")
    check = verify_policy(file.path)["checks"][-1]
    assert check == {"name": "c", "ok": False, "detail": "false fails: without a message"}


def test_few_unsaturated_examples_are_said(file: PolicyFile) -> None:
    result = verify_policy(file.path)
    result["golden"] = {"count": 32, "unsaturated": 3}
    assert format_verification(result).splitlines()[-1] == (
        "  Only 3 of 32 examples are unsaturated: the policy drives its actuators to their limits, "
        "and the comparison proves less."
    )
