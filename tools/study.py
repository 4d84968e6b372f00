"""Measures options of the learner: tasks x variants x seeds, and what may be said of the result.

    python tools/study.py run tools/studies/options.toml [--parallel 2] [--runs DIR] [--out FILE]
    python tools/study.py run tools/studies/recipe.toml --tasks ant --variants RMSNorm
    python tools/study.py run --tasks reacher --seeds 0 1 2 --vary agent.learning_rate=1e-3
    python tools/study.py report FILE... [--plot FILE.png] [--each] [--wall]

`run` trains and evaluates each cell with the commands of `robot-gcrl` and appends a JSON line to
the results (docs/results/NAME.jsonl), also for a run that failed, with its reason. What is in the
file is not done again (--out FILE does all of it anew); an interrupted run goes on. Evaluation is
on starts and goals that training never drew, and on another seed than that of published tables.
Every run has its task's control steps, or with --minutes (or `minutes` in the file) the same wall
time: give that a quiet machine. `report` prints tables in Markdown; a run that failed counts as a
success of 0.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from robot_gcrl.train.environment import lend_memory, prepare_environment

prepare_environment()
lend_memory()

from robot_gcrl.errors import ConfigError, RobotGcrlError, unknown_name
from robot_gcrl.study.cells import cells_of
from robot_gcrl.study.report import draw, report
from robot_gcrl.study.results import RATES, read_lines
from robot_gcrl.study.runs import Runner
from robot_gcrl.study.study import DEFAULT, Study, parse_variant, read_study

INTERRUPTED = 130


def main() -> int:
    """Runs or reports; returns the exit code."""
    arguments = _parser().parse_args()
    try:
        return run(arguments) if arguments.command == "run" else tell(arguments)
    except RobotGcrlError as error:
        sys.stderr.write(f"study: {error}\n")
        return 2


def run(arguments: argparse.Namespace) -> int:
    """Does what the results lack; the exit code says whether all of it came to an end."""
    study = chosen_study(arguments)
    runner = Runner(
        study=study,
        folder=(arguments.runs or Path("runs") / "studies" / study.name).resolve(),
        out=arguments.out or ROOT / "docs" / "results" / f"{study.name}.jsonl",
        parallel=arguments.parallel,
        retry_failed=arguments.retry_failed,
    )
    cells = cells_of(study)
    done = len(cells) - len(runner.missing(cells))
    if done:
        told = f"{done} of {len(cells)} runs are in {runner.out}; --out FILE does them anew"
        sys.stderr.write(f"study: {told}\n")
    return 0 if runner.do(cells) else INTERRUPTED


def chosen_study(arguments: argparse.Namespace) -> Study:
    """The study of the file, or of the options; options win.

    Raises:
      ConfigError: neither a file nor tasks were given, or they do not make a study.
    """
    changed: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("name", "tasks", "seeds", "minutes")
        if getattr(arguments, name) is not None
    }
    (given,) = parse_variant(arguments.options, "--options").values()
    variants = {DEFAULT: {}}
    for texts in arguments.vary:
        variants |= parse_variant(texts)
    if arguments.file is not None:
        study = read_study(arguments.file)
        if arguments.minutes is not None:
            study = _without_steps(study)
        changed["variants"] = {**study.variants, **variants} if arguments.vary else study.variants
        tasks = changed.get("tasks", study.tasks)
        changed["per_task"] = {k: v for k, v in study.per_task.items() if k in tasks}
        changed["options"] = {**study.options, **given}
        return _narrowed(replace(study, **changed), arguments.variants)
    if arguments.tasks is None:
        raise ConfigError(
            "No study was given. Expected a TOML file or --tasks. See: tools/study.py run --help"
        )
    return Study(
        **{"name": "study", "seeds": (0, 1, 2), "variants": variants, "options": given} | changed
    )


def _narrowed(study: Study, wanted: list[str] | None) -> Study:
    """The study of these variants alone."""
    if wanted is None:
        return study
    for name in wanted:
        if name not in study.variants:
            raise unknown_name("variant", name, study.variants, see=f"the study {study.name!r}")
    return replace(study, variants={name: study.variants[name] for name in wanted})


def _without_steps(study: Study) -> Study:
    """The study without the control steps its file gives: wall time takes their place."""
    return replace(
        study,
        options={k: v for k, v in study.options.items() if k != "steps"},
        per_task={
            task: {k: v for k, v in options.items() if k != "steps"}
            for task, options in study.per_task.items()
        },
    )


def tell(arguments: argparse.Namespace) -> int:
    """Prints the report, and draws the curves."""
    lines = [line for file in arguments.files for line in read_lines(file)]
    measured = dict.fromkeys(line["task"] for line in lines)
    for task in arguments.tasks or ():
        if task not in measured:
            raise unknown_name("task", task, measured, see="the table without --tasks")
    lines = [line for line in lines if line["task"] in (arguments.tasks or measured)]
    tables = report(lines, metric=arguments.metric, each=arguments.each, wall=arguments.wall)
    print("\n".join(tables))
    if arguments.plot is not None:
        draw(lines, metric=arguments.metric).savefig(arguments.plot, dpi=120)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measures options of the learner.")
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="train and evaluate")
    runs.add_argument("file", type=Path, nargs="?", help="TOML, as in tools/studies")
    runs.add_argument("--name", help="of the study; the file's, or study")
    runs.add_argument("--tasks", nargs="+")
    runs.add_argument("--seeds", nargs="+", type=int)
    runs.add_argument("--variants", nargs="+", help="of the file's, these alone")
    runs.add_argument("--minutes", type=float, help="wall time of each run, not its steps")
    runs.add_argument("--vary", nargs="+", action="append", default=[], metavar="NAME=VALUE",
                      help="one variant more, of these options")  # fmt: skip
    runs.add_argument("--options", nargs="+", default=[], metavar="NAME=VALUE",
                      help="of every run that the file does not give them")  # fmt: skip
    runs.add_argument("--parallel", type=int, default=1, help="runs at once")
    runs.add_argument("--retry-failed", action="store_true", help="what has failed, again")
    runs.add_argument("--runs", type=Path, help="folder of the run folders")
    runs.add_argument("--out", type=Path, help="file of the results")
    reports = commands.add_parser("report", help="tables and curves")
    reports.add_argument("files", type=Path, nargs="+")
    reports.add_argument("--tasks", nargs="+", help="of the results, these alone")
    reports.add_argument("--metric", choices=RATES[:3], default="time_at_goal")
    reports.add_argument("--each", action="store_true", help="a table of every run too")
    reports.add_argument("--wall", action="store_true",
                         help="a table of the curves at equal wall time too")  # fmt: skip
    reports.add_argument("--plot", type=Path, help="picture of the curves")
    return parser


if __name__ == "__main__":
    sys.exit(main())
