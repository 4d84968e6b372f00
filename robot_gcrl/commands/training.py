"""The commands around training: tasks, runs, this machine."""

import functools
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from robot_gcrl.commands.base import (
    DONE,
    USER_ERROR,
    Engine,
    Say,
    prepare_out,
    require_source,
    save,
    show,
)
from robot_gcrl.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Lists the tasks: robot, goal, action, how long an episode takes, what success is."""

    json: bool = False
    """Print one JSON object instead of a table."""
    render: Path | None = None
    """Folder that receives a picture of every task."""

    def run(self, say: Say) -> int:
        """Prints the table."""
        from robot_gcrl.task.table import format_rows, task_rows

        rows = task_rows()
        width = shutil.get_terminal_size((100, 24)).columns
        show(say, format_rows(rows, width=width), {"tasks": rows}, as_json=self.json)
        if self.render is not None:
            from robot_gcrl.viewer.film import draw_tasks

            paths = draw_tasks(self.render)
            sys.stderr.write(f"Wrote {len(paths)} pictures into {self.render}\n")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Check:
    """Tests whether a task, also one of your own, keeps the rules of a task."""

    task: Positional[str]
    """Name of the task, or FILE.py:NAME for one of your own."""
    maze: Path | None = None
    """Text grid of a maze that replaces the task's own (# wall, S start, G goal, . free)."""
    engine: Engine = "auto"
    """Physics engine that takes a step of it."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints what was checked."""
        from robot_gcrl.env.conformance import conformance, format_findings

        findings = conformance(self.task, maze=self.maze, engine=self.engine)
        show(say, format_findings(findings), findings, as_json=self.json)
        if not findings["ok"]:
            return USER_ERROR
        from robot_gcrl.train.settings import make_train_config

        # Hints at settings of the agent, of which a task's own room knows nothing
        make_train_config(self.task, preset="laptop", maze=self.maze)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measures the success of a trained policy on whole episodes in fresh worlds."""

    run_folder: Positional[Path]
    """Run folder that `robot-gcrl train` wrote."""
    episodes: int = 1024
    """Episodes, each with its own start and goal."""
    goals: Literal["train", "eval"] = "eval"
    """Distribution of starts and goals."""
    engine: Engine = "auto"
    """Physics engine that steps the worlds."""
    seed: int = 0
    """Seed of starts and goals."""
    checkpoint: Literal["best", "last"] = "best"
    """Which of the run's checkpoints is measured."""
    beside: bool = False
    """Measure the zero and the random policy too, on the same starts and goals."""
    randomize: Literal["off", "low", "full"] = "off"
    """Measure the policy at every level of realism up to this one too."""
    best_of: int = 0
    """Actions sampled at each step, of which the critic picks the best; 0 acts with the mean."""
    spread: float = 1.0
    """Factor of the policy's standard deviation in the samples of --best-of."""
    out: Path | None = None
    """File that receives the JSON object too."""
    video: Path | None = None
    """File (.mp4 or .webp) that receives some of the episodes as a film."""
    camera: str | None = None
    """Camera of the film: one of the scene's, `track` follows the robot, `top` looks down."""
    path: bool = False
    """Draw the path that the robot took into the film."""
    side_by_side: int = 1
    """Episodes that the film shows at once, in a grid; with 1 some of them one after the other."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints the table of success."""
        film = self._film()
        prepare_out(self.out)
        from robot_gcrl.train.assess import evaluate_run, format_table

        result = evaluate_run(
            self.run_folder,
            episodes=self.episodes,
            goals=self.goals,
            engine=self.engine,
            seed=self.seed,
            checkpoint=self.checkpoint,
            beside=self.beside,
            randomize=self.randomize,
            best_of=self.best_of,
            spread=self.spread,
        )
        show(say, format_table(result), result, as_json=self.json)
        save(self.out, result)
        film()
        return DONE

    def _film(self) -> Callable[[], object]:
        """What makes the film; an option that it could not obey is refused here, at once."""
        if self.video is None:
            options = {"--camera": self.camera, "--path": self.path}
            options["--side-by-side"] = self.side_by_side != 1
            given = [name for name, value in options.items() if value]
            if given:
                raise ConfigError(
                    f"{', '.join(given)} without --video. Expected a film that it is for. Add "
                    "--video FILE, or leave it out."
                )
            return lambda: None
        if self.best_of > 1:
            raise ConfigError(
                f"--best-of {self.best_of} was given with --video. Expected at most one of them: a "
                "film shows the policy's mean. Leave one out."
            )
        from robot_gcrl.viewer.film import film_run, require_film_of_run
        from robot_gcrl.viewer.video import Look

        look = Look(camera=self.camera, path=self.path, side_by_side=self.side_by_side)
        require_film_of_run(self.run_folder, self.video, look)
        make = functools.partial(
            film_run,
            self.run_folder,
            self.video,
            goals=self.goals,
            engine=self.engine,
            seed=self.seed,
            checkpoint=self.checkpoint,
            look=look,
        )
        return lambda: sys.stderr.write(f"Wrote {make()}\n")


@dataclass(frozen=True, kw_only=True)
class Distill:
    """Teaches a small policy to do what a trained one does; leaves a run folder."""

    source: Positional[Path]
    """Run folder of the teacher, or its policy file with the critic."""
    depth: int = 4
    """Layers in the residual blocks of the student's actor: a multiple of 4."""
    width: int = 128
    """Width of the student's actor."""
    run_folder: Annotated[Path | None, arg(name="run")] = None
    """Folder of the student; without it, a free one in runs/."""
    steps: int = 1_000_000
    """Control steps of all worlds, at most."""
    within: float = 2.0
    """It ends once the student succeeds as often as the teacher, less so many points."""
    episodes: int = 512
    """Episodes by which teacher and student are compared."""
    evaluate_every: int = 65_536
    """Control steps of all worlds between two comparisons."""
    num_envs: int = 256
    """Worlds stepped side by side."""
    batch_size: int = 512
    """Labelled states in each gradient step."""
    learning_rate: float = 1e-3
    """Of Adam."""
    seed: int = 0
    """Seed of everything random."""
    engine: Engine = "auto"
    """Physics engine that steps the worlds."""
    checkpoint: Literal["best", "last"] = "best"
    """Which checkpoint of the teacher's run teaches."""
    task: str | None = None
    """Task of a policy file, if not the one of the same name: FILE.py:NAME."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Distils, and prints how far the student is behind."""
        require_source(self.source, "run folder", "policy file")
        from robot_gcrl.train.distill import Course, distill, format_distillation
        from robot_gcrl.train.distilling import Lesson

        course = Course(
            steps=self.steps,
            num_envs=self.num_envs,
            episodes=self.episodes,
            evaluate_every=self.evaluate_every,
            within=self.within,
            seed=self.seed,
            engine=self.engine,
            lesson=Lesson(batch_size=self.batch_size, learning_rate=self.learning_rate),
        )
        result = distill(
            self.source,
            depth=self.depth,
            width=self.width,
            run=self.run_folder,
            course=course,
            task=self.task,
            checkpoint=self.checkpoint,
        )
        show(say, format_distillation(result), result, as_json=self.json)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Draws the curves of one or several runs; runs that differ in the seed alone make a band."""

    runs: Positional[tuple[Path, ...]]
    """Run folders that `robot-gcrl train` wrote."""
    out: Path | None = None
    """Picture (.png or .svg); without it, curve.png in the first run folder."""
    x: Literal["steps", "minutes", "updates"] = "steps"
    """What curves are drawn against: control steps, wall-clock minutes or gradient steps."""
    spread: Literal["range", "quartiles"] = "range"
    """Of runs that differ in the seed: mean, least and greatest, or median and quartiles."""

    def run(self, say: Say) -> int:
        """Writes the picture."""
        from robot_gcrl.train.plot import plot_runs

        path = plot_runs(self.runs, out=self.out, x=self.x, spread=self.spread)
        sys.stderr.write(f"Wrote {path}\n")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Lists runs: task, agent, how far each is, its best success."""

    folder: Positional[Path] = Path("runs")
    """Folder that holds run folders."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints the table."""
        from robot_gcrl.train.runs import format_runs, list_runs

        rows = list_runs(self.folder)
        show(say, format_runs(rows), {"runs": rows}, as_json=self.json)
        return DONE


@dataclass(frozen=True, kw_only=True)
class RunsCompare:
    """Compares runs: the settings that differ, success at equal steps, time and updates."""

    runs: Positional[tuple[Path, ...]]
    """Two or more run folders."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints the comparison."""
        from robot_gcrl.train.runs import compare_runs, format_comparison

        result = compare_runs(self.runs)
        show(say, format_comparison(result), result, as_json=self.json)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Shows versions, devices, engines and rendering, what is missing and how to get it."""

    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints the report."""
        from robot_gcrl.doctor import examine, format_report

        report = examine()
        show(say, format_report(report), report, as_json=self.json)
        return DONE if report["ok"] else USER_ERROR


@dataclass(frozen=True, kw_only=True)
class Train:
    """Trains a policy; shows progress and writes checkpoints."""

    config: Any
    """The TrainConfig; its fields are the options."""
    resume: bool
    """Whether the run of `config.run` is continued."""

    def run(self, say: Say) -> int:
        """Trains."""
        from robot_gcrl.train.train import train

        train(self.config, resume=self.resume)
        return DONE
