"""What the README says can be done: Python runs, commands parse, links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from robot_gcrl import cli
from robot_gcrl.commands import COMMANDS
from robot_gcrl.train import run_files
from robot_gcrl.train.settings import make_train_config

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def command_lines() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("robot-gcrl ")]


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seen to fail: with `rg.evaluate(config)` in the README
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
    said = capsys.readouterr().out
    assert "random arms are at their goal" in said
    assert "'ci95'" in said
    assert (tmp_path / "runs" / "example" / "config.json").exists()


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_parses(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen to fail: with `--minute 30` in the README
    monkeypatch.chdir(tmp_path)
    stored = make_train_config("arm_reach", preset="smoke")
    monkeypatch.setattr(run_files, "stored_config", lambda folder: stored)
    program, *words = shlex.split(line, comments=True)
    assert program == "robot-gcrl"
    assert isinstance(cli.parse(words), tuple(COMMANDS.values()))


def test_the_table_of_commands_is_the_list_of_commands() -> None:
    # Seen to fail: without the row of `plot`
    rows = re.findall(r"^\| `robot-gcrl ([a-z]+(?: [a-z]+)?)", README, re.MULTILINE)
    assert rows == list(COMMANDS)


def test_there_are_command_lines_for_what_a_user_does_first() -> None:
    lines = command_lines()
    assert lines[0] == "robot-gcrl train --task ant_maze"
    assert {line.split()[1] for line in lines} >= {"tasks", "train", "evaluate", "plot"}
    first = blocks("sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    pages = [README, *(p.read_text() for p in (ROOT / "docs").glob("*.md"))]
    named = re.findall(r"(?:^|`)make ([a-z-]+)", "\n".join(pages), re.MULTILINE)
    assert {"demo", "test", "test-slow"} <= set(named)
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize(
    "page",
    sorted(
        page
        for page in (path.relative_to(ROOT) for path in ROOT.glob("**/*.md"))
        if not any(part.startswith(".") or part == "runs" for part in page.parts)
    ),
    ids=str,
)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (ROOT / page.parent / target).exists(), target
