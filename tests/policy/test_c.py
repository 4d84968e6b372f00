"""The C of a policy: built without a warning, tested by itself, refused with a foreign file."""

import dataclasses
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.policy.c_source import export_c, identifier
from robot_gcrl.policy.compare import golden_difference
from robot_gcrl.policy.runtime.file import PolicyFile
from tests.contract.contracts import REMEMBERING, make_contract
from tests.policy.policies import make_file, random_steps
from tests.policy.programs import FLAGS, Program, compile_c


def test_three_files_with_the_name_of_the_policy(file: PolicyFile, tmp_path: Path) -> None:
    source = export_c(file, tmp_path)
    assert source == tmp_path / "box.c"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["box.c", "box.h", "box.weights.bin"]
    header = (tmp_path / "box.h").read_text()
    assert f'#define BOX_CONTRACT_SHA256 "{file.contract.sha256}"' in header
    assert " *   2 qpos hinge[0] [rad]\n" in header
    assert " *   0 turn: joint_position_delta, -1 to 1\n" in header
    assert all(len(line) <= 100 for line in source.read_text().splitlines())


@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
def test_it_compiles_without_a_warning(file: PolicyFile, tmp_path: Path, level: str) -> None:
    # seen to fail with an unused variable
    built = compile_c(export_c(file, tmp_path), flags=(*FLAGS, "-Wpedantic", "-Wshadow", level))
    assert (built.returncode, built.stderr) == (0, "")


def test_it_tests_itself(file: PolicyFile, tmp_path: Path) -> None:
    # seen to fail with one bit of the weights changed: exit code 1
    program = Program(file, tmp_path)
    tested = program.self_test()
    assert tested.returncode == 0
    worst = float(tested.stdout)
    assert worst == pytest.approx(golden_difference(file.contract, program, file.golden), rel=1e-3)
    weights = tmp_path / "box.weights.bin"
    changed = np.fromfile(weights, "<f4")
    changed[200] += 1.0
    changed.tofile(weights)
    assert compile_c(tmp_path / "box.c").returncode == 0
    tested = program.self_test()
    assert tested.returncode == 1
    assert float(tested.stdout) > 1e-5
    changed[200] = np.nan
    changed.tofile(weights)
    assert compile_c(tmp_path / "box.c").returncode == 0
    tested = program.self_test()
    assert (tested.returncode, tested.stdout.strip("-\n")) == (1, "nan")


def test_weights_of_another_size_do_not_compile(file: PolicyFile, tmp_path: Path) -> None:
    source = export_c(file, tmp_path)
    os.truncate(tmp_path / "box.weights.bin", 1000)
    built = compile_c(source)
    assert built.returncode != 0
    assert "the weights file is not that of box.c: it has another size" in built.stderr


def test_weights_in_another_place(file: PolicyFile, tmp_path: Path) -> None:
    source = export_c(file, tmp_path)
    (tmp_path / "box.weights.bin").rename(tmp_path / "elsewhere.bin")
    assert compile_c(source).returncode != 0
    place = f'-DBOX_WEIGHTS="{tmp_path / "elsewhere.bin"}"'
    assert compile_c(source, flags=(*FLAGS, place)).returncode == 0


CALLER = """
#include "box.h"
#include <stdio.h>
int main(void) {
    float inputs[BOX_INPUTS], goal[BOX_GOAL] = {0}, action[BOX_ACTIONS] = {0}, ctrl[BOX_ACTIONS];
    while (fread(inputs, sizeof inputs, 1, stdin) == 1) {
        box_initial_ctrl(inputs, ctrl);
        fwrite(ctrl, sizeof ctrl, 1, stdout);
        box_step(inputs, goal, action, ctrl, action, ctrl);
        fwrite(ctrl, sizeof ctrl, 1, stdout);
    }
    return 0;
}
"""


def test_a_caller_with_the_same_arrays_in_and_out(file: PolicyFile, tmp_path: Path) -> None:
    source = export_c(file, tmp_path)
    (tmp_path / "caller.c").write_text(CALLER)
    if compile_c(source).returncode:
        pytest.fail("the source does not compile")
    command = ["gcc", *FLAGS, "-o", "caller", "caller.c", "box.c", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    inputs = random_steps(file.contract, 4)[0] * 3  # beyond the limits too
    done = subprocess.run(
        [tmp_path / "caller"], input=inputs.tobytes(), capture_output=True, check=True
    )
    found = np.frombuffer(done.stdout, "<f4").reshape(4, 2, 3)
    np.testing.assert_array_equal(found[:, 0], initial_ctrl(file.contract, inputs))
    program, action = Program(file, tmp_path), np.zeros((1, 3), np.float32)
    for row, (before, after) in zip(inputs, found, strict=True):
        action, ctrl, _ = program(row[None], np.zeros((1, 3), np.float32), action, before[None])
        np.testing.assert_array_equal(ctrl[0], after)


REMEMBERER = """
#include "box.h"
#include <stdio.h>
int main(void) {
    float past[BOX_PREVIOUS_ACTIONS] = {0}, action[BOX_ACTIONS];
    for (int step = 0; step < 4; ++step) {
        for (int a = 0; a < BOX_ACTIONS; ++a) action[a] = 10 * step + a;
        box_remember(action, past);
    }
    fwrite(past, sizeof past, 1, stdout);
    return 0;
}
"""


def test_the_newest_actions_are_remembered(tmp_path: Path) -> None:
    # seen to fail with memcpy's arguments exchanged and with the oldest kept
    export_c(make_file(tmp_path / "box.policy", REMEMBERING), tmp_path)
    (tmp_path / "caller.c").write_text(REMEMBERER)
    command = ["gcc", *FLAGS, "-o", "caller", "caller.c", "box.c", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "caller"], capture_output=True, check=True)
    assert np.frombuffer(done.stdout, "<f4").tolist() == [30, 31, 32, 20, 21, 22, 10, 11, 12]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("box", "box"),
        ("Ant Maze-2.1", "ant_maze_2_1"),
        ("7dof", "policy_7dof"),
        ("Größe", "gr_e"),
        ("../..", "policy"),
    ],
)
def test_names_become_identifiers(name: str, expected: str) -> None:
    assert identifier(name) == expected


def test_names_of_a_model_do_not_leave_their_comment(file: PolicyFile, tmp_path: Path) -> None:
    # seen to fail with the names as they are
    name = 'ev*/il\n#error "\\'
    evil = dataclasses.replace(file, contract=make_contract(name=name))
    built = compile_c(export_c(evil, tmp_path))
    assert (built.returncode, built.stderr) == (0, "")
