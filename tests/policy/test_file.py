"""What a policy file holds when it is read, and what is refused."""

import hashlib
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import mujoco
import numpy as np
import pytest

from robot_gcrl.contract.observe import make_layout
from robot_gcrl.errors import PolicyError, RobotGcrlError
from robot_gcrl.policy.runtime.archive import ENTRIES, MANIFEST
from robot_gcrl.policy.runtime.file import PolicyFile, read_policy
from robot_gcrl.policy.scene import load_scene, load_scene_spec
from robot_gcrl.policy.write import arrays_bytes
from tests.contract.contracts import make_contract
from tests.policy.damage import DAMAGED, change_json, entries_of, refusal, rewrite


def test_a_file_holds_what_was_exported(file: PolicyFile) -> None:
    # seen to fail with the healthy fields left out of layout.json
    assert file.contract == make_contract()
    assert file.network.shapes == {name: value.shape for name, value in file.weights.items()}
    assert file.layout.inputs.shape == (8,)
    assert file.layout.actuators.tolist() == [1, 0, 2]
    assert (file.simulation.nq, file.simulation.nv, file.simulation.nsensordata) == (9, 8, 6)
    assert file.simulation.episode_length == 20
    assert file.sha256 == hashlib.sha256(entries_of(file.path)[MANIFEST]).hexdigest()
    assert list(entries_of(file.path)) == [MANIFEST, *ENTRIES]


def test_no_file(tmp_path: Path) -> None:
    text = (
        "The policy file {path} {what}. Expected a file that robot-gcrl export wrote. Check the "
        "path."
    )
    missing = tmp_path / "a.policy"
    assert refusal(missing) == text.format(path=missing, what="does not exist")
    assert refusal(tmp_path) == text.format(path=tmp_path, what="is a folder")


@pytest.mark.parametrize("left", [0, 100, 5000, -1])
def test_a_truncated_file(copied: Path, left: int) -> None:
    # seen to fail without the check of BadZipFile: its traceback
    os.truncate(copied, left if left >= 0 else copied.stat().st_size + left)
    size = copied.stat().st_size
    assert refusal(copied) == DAMAGED.format(
        path=copied, what=f"it is no zip archive, or its end is missing ({size:,} bytes)"
    )


def test_a_missing_entry(copied: Path) -> None:
    for name in (MANIFEST, "scene.mjb"):
        before = copied.read_bytes()
        rewrite(copied, lambda entries, name=name: entries.__delitem__(name), hashed=False)
        assert refusal(copied) == DAMAGED.format(path=copied, what=f"{name} is missing")
        copied.write_bytes(before)


def test_one_weight_changed(copied: Path) -> None:
    # seen to fail without the comparison of sha256: zip's own checksum fits
    def change(entries: dict[str, bytes]) -> None:
        with np.load(BytesIO(entries["weights.npz"])) as arrays:
            weights = dict(arrays)
        weights["head/kernel"][3, 1] += 1e-6
        entries["weights.npz"] = arrays_bytes(weights)

    rewrite(copied, change, hashed=False)
    text = DAMAGED.format(path=copied, what="weights.npz has other content than was written")
    assert refusal(copied) == text


def test_one_byte_changed_anywhere(copied: Path) -> None:
    """Whatever the byte, the file is refused or holds what it held."""
    good = copied.read_bytes()
    content = entries_of(copied)
    rng = np.random.default_rng(0)
    refused = 0
    # the last 2,000 bytes are the directory of the archive, where little is checked by itself
    places = [*rng.integers(0, len(good), 100), *(len(good) - rng.integers(1, 2000, 150))]
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(0, 8))
        copied.write_bytes(bad)
        try:
            file = read_policy(copied)
        except RobotGcrlError:
            refused += 1
        else:
            assert {name: file.entry(name) for name in ENTRIES} == {
                name: content[name] for name in ENTRIES
            }
    assert refused > 150


def test_a_newer_format(copied: Path) -> None:
    # seen to fail with the entries compared first
    def newer(entries: dict[str, bytes]) -> None:
        change_json(MANIFEST, format=2, entries={})(entries)
        del entries["scene.mjb"]

    rewrite(copied, newer, hashed=False)
    assert refusal(copied) == (
        f"The policy file {copied} has format 2. Expected format 1, which this version of "
        "robot-gcrl knows. Use the version that wrote it, or export the run again."
    )


def test_another_contract(copied: Path, file: PolicyFile) -> None:
    other = make_contract(control_dt=0.05)
    rewrite(copied, lambda e: e.update({"contract.json": other.canonical_json.encode()}))
    assert refusal(copied) == (
        f"The policy file {copied} contradicts itself: its contract has sha256 "
        f"{other.sha256[:12]}, its manifest names {file.contract.sha256[:12]}. Expected the same. "
        "Use the version of robot-gcrl that wrote it, or export the run again."
    )


def test_a_file_that_changes_while_it_is_used(copied: Path) -> None:
    file = read_policy(copied)
    rewrite(copied, lambda e: e.update({"weights.npz": e["weights.npz"][:-1] + b"x"}))
    with pytest.raises(PolicyError) as caught:
        _ = file.weights
    assert str(caught.value) == DAMAGED.format(
        path=copied, what="weights.npz has other content than was written"
    )


def test_a_file_that_may_not_be_read(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("robot_gcrl.policy.runtime.archive.zipfile.ZipFile", refuse)
    assert refusal(copied) == (
        f"The policy file {copied} cannot be read: Permission denied. Expected a file that this "
        "user may read. Check its permissions."
    )


def test_the_scene_of_another_version_is_read_from_its_mjcf(
    file: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen to fail: with the binary form, which that version cannot read
    exact = load_scene(file)
    monkeypatch.setattr(mujoco, "__version__", "9.9.9")
    monkeypatch.delattr(mujoco.MjModel, "from_binary_path")
    model = load_scene(file)
    layout = make_layout(file.contract, model)
    for name in ("inputs", "healthy", "actuators"):
        np.testing.assert_array_equal(getattr(layout, name), getattr(file.layout, name))
    for name in ("body_mass", "body_inertia", "jnt_range", "geom_size", "actuator_gainprm"):
        was, now = getattr(exact, name), getattr(model, name)
        np.testing.assert_allclose(now, was, rtol=2e-5, atol=2e-5, err_msg=name)


def test_a_scene_that_no_version_here_can_read(
    file: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise ValueError("unknown element 'hologram'")

    monkeypatch.setattr(mujoco.MjSpec, "from_zip", refuse)
    with pytest.raises(PolicyError) as caught:
        load_scene_spec(file)
    written = file.manifest["versions"]["mujoco"]
    assert str(caught.value) == (
        f"The scene of the policy file {file.path} was written by MuJoCo {written}, and MuJoCo "
        f"{mujoco.__version__} cannot read it: unknown element 'hologram'. Expected one that can. "
        f"Install mujoco=={written}, or export the run again."
    )


# Seen to fail: with `import mujoco` in runtime/file.py.
def test_a_robot_needs_neither_jax_nor_mujoco(file: PolicyFile) -> None:
    program = (
        "import sys\n"
        "absent = ('jax', 'jaxlib', 'flax', 'mujoco', 'onnx', 'onnxruntime', 'jaxtyping')\n"
        "for name in absent: sys.modules[name] = None\n"
        "from robot_gcrl.errors import RobotGcrlError\n"
        "from robot_gcrl.policy.runtime import load_policy, make_runtime\n"
        "policy = load_policy(sys.argv[1])\n"
        "golden = policy.file.golden\n"
        "worst = abs(policy.step(*golden[:4]).action - golden.action).max()\n"
        "print(policy.runtime.name, worst < 1e-5)\n"
        "for name in ('onnxruntime', 'tensorflow'):\n"
        "    try: make_runtime(policy.file, name)\n"
        "    except RobotGcrlError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file.path)], capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "numpy True",
        "The runtime 'onnxruntime' is not available: import of onnxruntime halted; None in "
        "sys.modules. Expected the package onnxruntime. Install it, or use the runtime 'numpy'.",
        "Unknown runtime 'tensorflow'. Known: auto, numpy, onnxruntime. See: make_runtime",
    ], done.stderr
