"""The command line: parsing, exit codes, what goes to which stream, and what it imports."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from robot_gcrl import cli
from robot_gcrl.commands import COMMANDS, Command
from robot_gcrl.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "robot_gcrl.cli", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        assert any(re.match(rf"  {name} +[A-Z].*\.$", line) for line in lines), name


def test_help_is_quick_and_loads_neither_jax_nor_mujoco() -> None:
    # Seen to fail: with `from robot_gcrl.train.train import train` at the top of cli.py
    program = (
        "import sys; from robot_gcrl.cli import main; main(['--help']);"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"jax", "mujoco", "flax", "matplotlib"} & set(shown.stderr.split())


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "train"])
def test_every_option_has_a_sentence_of_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    # Seen to fail: without the docstring under Evaluate.seed
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    text = re.sub(r"[│╭╮╰╯─\s]+", " ", capsys.readouterr().out)
    for option, help_text in re.findall(r"(--[a-z-]+)[^()]*?((?:[A-Z][^()]*\.)?) \(default", text):
        assert help_text, option


def test_an_unknown_command_is_one_line_with_a_suggestion(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["trian"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "robot-gcrl: Unknown command 'trian'. Did you mean 'train'? See: robot-gcrl --help\n"
    )


def test_an_unknown_option_suggests_the_close_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", "runs/demo", "--episode", "3"])
    assert ended.value.code == 2
    assert "--episodes" in capsys.readouterr().err


def test_an_unknown_task_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "ant_maz"]) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == (
        "robot-gcrl: Unknown task 'ant_maz'. Did you mean 'ant_maze'? See: robot-gcrl tasks"
    )


def test_a_message_of_several_lines_becomes_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seen to fail: with str(error) written as it is
    def fail(words: list[str]) -> Command:
        raise ConfigError("first\n  second")

    monkeypatch.setattr(cli, "parse", fail)
    assert cli.main(["tasks"]) == 2
    assert capsys.readouterr().err == "robot-gcrl: first second\n"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(words: list[str]) -> Command:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "parse", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["tasks"])


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(words: list[str]) -> Command:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parse", interrupted)
    assert cli.main(["tasks"]) == 128 + signal.SIGINT


def test_json_is_one_object_whatever_a_library_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seen to fail: without redirect_stdout, as MJX prints "Failed to import warp" when imported
    from robot_gcrl import doctor

    def examine() -> dict[str, bool]:
        print("Failed to import warp")
        return {"ok": True}

    monkeypatch.setattr(doctor, "examine", examine)
    monkeypatch.setattr(doctor, "format_report", str)
    assert cli.main(["doctor", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"ok": True}
    assert "warp" in captured.err


def test_tasks_as_json_and_as_a_table_agree(capsys: pytest.CaptureFixture[str]) -> None:
    # Seen to fail: with a family of mazes in the JSON and its members in the table
    assert cli.main(["tasks", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["tasks"]
    assert cli.main(["tasks"]) == 0
    head, *lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert head.split()[0] == "task"
    named = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert named == list(dict.fromkeys(sorted(row["family"] for row in rows)))
    assert all(len(row["success_radius"]) >= 1 and row["summary"].endswith(".") for row in rows)


def test_the_process_ends_with_the_code_of_main() -> None:
    ended = run("trian")
    assert ended.returncode == 2
    assert ended.stderr.startswith("robot-gcrl: Unknown command 'trian'.")


def test_a_hint_at_a_setting_that_no_agent_has_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seen to fail: found by `train` alone
    own = tmp_path / "own.py"
    source = (ROOT / "tasks" / "reacher.py").read_text()
    assert source.count("hints=Hints(") == 1
    own.write_text(source.replace("hints=Hints(", 'hints=Hints(agent={"nrom": "rms"}, '))
    assert cli.main(["check", f"{own}:reacher"]) == 2
    assert "'nrom'. Did you mean 'norm'?" in capsys.readouterr().err


def test_a_task_of_ones_own_that_breaks_a_rule_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seen to fail: with `ok` taken from the first check alone
    source = (ROOT / "tasks" / "reacher.py").read_text()
    own = tmp_path / "own.py"
    own.write_text(
        source
        + "\nimport dataclasses\n"
        + "def blind():\n"
        + "    task = TASKS['reacher']()\n"
        + "    return dataclasses.replace(task, camera='nowhere')\n"
        + "TASKS = {**TASKS, 'blind': blind}\n"
    )
    assert cli.main(["check", f"{own}:blind", "--json"]) == 2
    findings = json.loads(capsys.readouterr().out)
    problems = [problem for check in findings["checks"] for problem in check["problems"]]
    assert problems == ["The model has no camera 'nowhere'; it has ['scene']."]


def test_environment_variables_of_the_user_win() -> None:
    from robot_gcrl.train.environment import prepare_environment

    environ = {"XDG_CACHE_HOME": "/somewhere"}
    prepare_environment(environ)
    assert environ["JAX_COMPILATION_CACHE_DIR"] == os.path.join("/somewhere", "robot-gcrl", "jax")
    environ = {"JAX_COMPILATION_CACHE_DIR": "/mine"}
    prepare_environment(environ)
    assert environ["JAX_COMPILATION_CACHE_DIR"] == "/mine"


# Seen to fail: a run on MJX that was resumed was held to one thread, and continued "on another
# machine" on the very same one.
def test_a_core_is_left_to_the_native_engine_alone(tmp_path: Path) -> None:
    from robot_gcrl.train.environment import steps_natively

    for engine, is_native in (("native", True), ("auto", True), ("mjx", False), ("warp", False)):
        assert steps_natively(["--task", "reacher", "--engine", engine]) == is_native
        assert steps_natively([f"--engine={engine}"]) == is_native
        (tmp_path / "config.json").write_text(json.dumps({"engine": engine}))
        assert steps_natively(["--resume", str(tmp_path)]) == is_native
        assert steps_natively([f"--resume={tmp_path}", "--minutes", "1"]) == is_native
    assert steps_natively(["--task", "mjx"])
    assert steps_natively(["--resume", str(tmp_path / "nowhere")])
    assert steps_natively(["--resume"])


# Seen to fail: what the user had said of an accelerator's memory was taken from the runs.
def test_runs_side_by_side_share_an_accelerator() -> None:
    from robot_gcrl.train.environment import environment_of_runs, lend_memory

    preallocate, fraction = "XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_MEM_FRACTION"
    for said in ({preallocate: "false"}, {preallocate: "true", fraction: "0.3"}):
        environ = dict(said)
        lend_memory(environ)
        assert environment_of_runs(environ, parallel=2) == said
    environ = {"HOME": "/here"}
    lend_memory(environ)
    assert environ[preallocate] == "false"
    assert environment_of_runs(environ, parallel=1) == {"HOME": "/here"}
    assert environment_of_runs(environ, parallel=3) == {"HOME": "/here", fraction: "0.250"}


def test_runs_side_by_side_have_a_gpu_each_as_far_as_they_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robot_gcrl.train.environment import environment_of_runs, lend_memory, visible_gpus

    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == ("0", "1", "2")
    assert visible_gpus({"JAX_PLATFORMS": "cpu"}) == ()
    assert visible_gpus({"JAX_PLATFORMS": "cuda,cpu", "CUDA_VISIBLE_DEVICES": "2,GPU-8f"}) == (
        "2", "GPU-8f",
    )  # fmt: skip
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1,-1,0"}) == ("1",)
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == ()
    smi.write_text("#!/bin/sh\nexit 9\n")
    assert visible_gpus({}) == ()
    smi.unlink()
    assert visible_gpus({}) == ()

    visible, fraction = "CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_MEM_FRACTION"
    environ: dict[str, str] = {}
    lend_memory(environ)
    found = [environment_of_runs(environ, parallel=3, slot=i, gpus=("4", "7")) for i in range(3)]
    assert found == [{visible: gpu, fraction: "0.375"} for gpu in ("4", "7", "4")]
    # A GPU for each: what JAX takes without being told is right
    assert environment_of_runs(environ, parallel=2, slot=1, gpus=("4", "7")) == {visible: "7"}
    assert environment_of_runs(environ, parallel=1, gpus=("4", "7")) == {}


def test_train_without_a_task_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    # Seen to fail: the look at the words for --engine zipped an empty list with [""]
    assert cli.main(["train"]) == 2
    assert capsys.readouterr().err == (
        "robot-gcrl: No task was given. Expected --task NAME, --task FILE.py:NAME or --resume "
        "RUN. See: robot-gcrl tasks\n"
    )


# Seen to fail: the folder of --out was looked at after the work, whose result was lost.
@pytest.mark.parametrize(
    "words", [["evaluate", "r"], ["gate", "p"], ["bench", "serve"], ["bench", "physics"]]
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"robot-gcrl: Cannot write '{tmp_path}': Is a directory. Expected a file in a folder that "
        "can be written to. Change --out.\n"
    )


def test_the_folder_of_a_result_is_made_and_its_file_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seen to fail: "No such file or directory", and nothing said where the file went
    from robot_gcrl.commands.base import prepare_out, save

    out = tmp_path / "figures" / "result.json"
    prepare_out(out)
    save(out, {"rate": 0.5})
    assert json.loads(out.read_text()) == {"rate": 0.5}
    assert capsys.readouterr().err == f"Wrote {out}\n"


def test_the_help_of_keys_says_where_they_go(capsys: pytest.CaptureFixture[str]) -> None:
    # Seen to fail: a refused client was sent to `keys --help`, which named neither --key nor --keys
    with pytest.raises(SystemExit):
        cli.main(["keys", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "serve, view and controller sim take --keys FOLDER" in said
    assert "--key FOLDER/NAME.key_secret" in said


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (["dataset", "nothere", "--out", "x.npz"], "run folder, policy file or recording"),
        (["view", "nothere"], "run folder or policy file"),
        (["critic", "nothere"], "run folder or policy file"),
        (["distill", "nothere"], "run folder or policy file"),
    ],
)
def test_a_path_where_nothing_is_is_called_by_all_it_could_be(
    words: list[str], kinds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seen to fail: who had misspelt a run folder was told of recordings or policy files alone
    assert cli.main(words) == 2
    assert capsys.readouterr().err == (
        f"robot-gcrl: There is no {kinds} 'nothere'. Expected one that exists. Check the path.\n"
    )


# Seen to fail: nothing named the files; and with save() before show() a disk that refuses took the
# table along.
def test_evaluate_shows_its_table_and_names_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from robot_gcrl.train import assess
    from robot_gcrl.viewer import film

    out, video = tmp_path / "figures" / "a.json", tmp_path / "a.mp4"
    monkeypatch.setattr(assess, "evaluate_run", lambda run, **options: {"rate": 0.5})
    monkeypatch.setattr(assess, "format_table", str)
    monkeypatch.setattr(film, "require_film_of_run", lambda *arguments: None)
    monkeypatch.setattr(film, "film_run", lambda run, path, **options: path)
    words = ["evaluate", "runs/x", "--out", str(out)]
    assert cli.main([*words, "--video", str(video)]) == 0
    said = capsys.readouterr()
    assert said.out == "{'rate': 0.5}\n"
    assert said.err == f"Wrote {out}\nWrote {video}\n"

    def evaluate_and_lose_the_folder(run: Path, **options: object) -> dict[str, float]:
        out.unlink()
        out.parent.rmdir()
        return {"rate": 0.5}

    monkeypatch.setattr(assess, "evaluate_run", evaluate_and_lose_the_folder)
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert said.out == "{'rate': 0.5}\n"
    assert said.err.startswith(f"robot-gcrl: Cannot write '{out}': No such file or directory.")
