"""`robot-gcrl distill`: a small actor that does what a large one does, as a run folder.

The folder is like any other: evaluate, export, view and plot take it. `distillation.json` in it
says who taught, and how far apart the two are on the same starts and goals.
"""

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.errors import ConfigError
from robot_gcrl.train.assess import Checkpoint
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.distilling import Distilling, DistillState, Lesson, make_distilling
from robot_gcrl.train.evaluate import (
    Evaluator,
    Outcome,
    make_evaluator,
    policy_mean,
    rates,
    score,
    selection_key,
    summary,
)
from robot_gcrl.train.interrupt import Interrupt
from robot_gcrl.train.live import LiveView
from robot_gcrl.train.loop import agent_of, make_env
from robot_gcrl.train.metrics import MetricsWriter
from robot_gcrl.train.presets import free_folder
from robot_gcrl.train.run_files import DISTILLATION_FILE, unwritable, write_json
from robot_gcrl.train.teacher import Teacher, load_teacher, student_config


@dataclass(frozen=True, kw_only=True)
class Course:
    """How long and in which worlds a student is taught.

    Attributes:
      steps: control steps of all worlds, at most.
      num_envs: worlds.
      episodes: of an evaluation of either policy.
      evaluate_every: control steps of all worlds between two evaluations of the student.
      within: the student has learned enough where its success, at any step and at the end, is not
        more than so many points (hundredths) below the teacher's; negative: never.
      seed: of everything random.
      engine: physics engine.
      lesson: how it is taught.
    """

    steps: int = 1_000_000
    num_envs: int = 256
    episodes: int = 512
    evaluate_every: int = 65_536
    within: float = 2.0
    seed: int = 0
    engine: str = "auto"
    lesson: Lesson = field(default_factory=Lesson)

    def __post_init__(self) -> None:
        for name in ("steps", "num_envs", "episodes", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}. Expected a whole number of 1 or more. "
                    f"Change --{name.replace('_', '-')}."
                )
        if not math.isfinite(self.within):
            raise ConfigError(
                f"within is {self.within}. Expected a finite number of points. Change --within."
            )


def distill(
    source: Path,
    *,
    depth: int,
    width: int,
    run: Path | None,
    course: Course,
    task: str | None = None,
    checkpoint: Checkpoint = "best",
) -> dict[str, Any]:
    """Teaches a student, leaves its run folder and returns what `distillation.json` says.

    Args:
      source: the teacher: a run folder or a policy file.
      depth: of the student's actor.
      width: of the student's actor.
      run: folder of the student; None is a free one in runs/.
      course: how long, and in which worlds.
      task: of a policy file, if not the one of the same name.
      checkpoint: of the teacher's run folder.

    Raises:
      RobotGcrlError: nothing could be started; what was in the folder before is unharmed.
      Interrupted: a signal came; the best student so far is saved.
    """
    started = time.monotonic()
    teacher = load_teacher(source, task=task, checkpoint=checkpoint)
    if teacher.config.algorithm != "crl":
        raise ConfigError(
            f"The run {source} is of algorithm {teacher.config.algorithm!r}. Expected a teacher of "
            "crl, whose critic the student's run folder takes over. Name such a run."
        )
    run = run or free_folder(f"{teacher.task.name}-distilled")
    config = student_config(teacher, depth=depth, width=width, run=run)
    student = agent_of(teacher.task, config.agent)
    program = _program(teacher, student, config, course)  # refuses, before anything is written
    folder = RunFolder.create(run, config, teacher.task.contract.sha256)
    with folder, Interrupt() as interrupt, MetricsWriter(run) as metrics:
        _write(run, _begun(teacher, config, course))
        school = _School(teacher, student, program, folder, course, metrics, started=started)
        with LiveView(course.steps) as view:
            school.teach(interrupt, view)
    interrupt.raise_if_set()
    return school.result


def _program(teacher: Teacher, student: Agent, config: TrainConfig, course: Course) -> Distilling:
    """The compiled parts, in worlds like the teacher's, where goals are the task's own."""
    worlds = dataclasses.replace(
        config,
        num_envs=course.num_envs,
        seed=course.seed,
        overlap=True,
        # What is proposed follows from a replay and from progress that there are not
        goal_proposal="task",
        goal_proposal_share=0.5,
        goal_noise=None,
        curriculum_radius=None,
    )
    env = make_env(teacher.task, worlds, engine=course.engine)
    lesson = dataclasses.replace(course.lesson, spreads=teacher.spreads)
    return make_distilling(
        env, teacher=teacher.agent, taught=teacher.state, student=student, lesson=lesson
    )


def _begun(teacher: Teacher, config: TrainConfig, course: Course) -> dict[str, Any]:
    """What `distillation.json` says from its beginning on."""
    agent = teacher.agent.config
    return {
        "teacher": str(teacher.source),
        "teacher_size": {"depth": agent.actor_depth, "width": agent.actor_width or agent.width},
        "student_size": {
            "depth": config.agent.actor_depth,
            "width": config.agent.actor_width or config.agent.width,
        },
        "task": teacher.task.name,
        "episodes": course.episodes,
        "seed": course.seed,
        "gradient_steps": 0,
        "good_enough": False,
    }


def _write(run: Path, result: Mapping[str, Any]) -> None:
    try:
        write_json(run / DISTILLATION_FILE, result)
    except OSError as error:
        raise unwritable(run, error) from error


class _School:
    """The moving parts of one distillation.

    Attributes:
      result: of the best student so far, as in `distillation.json`.
    """

    result: dict[str, Any]

    def __init__(
        self,
        teacher: Teacher,
        student: Agent,
        program: Distilling,
        folder: RunFolder,
        course: Course,
        metrics: MetricsWriter,
        *,
        started: float,
    ) -> None:
        self._teacher, self._folder = teacher, folder
        self._course, self._metrics, self._started = course, metrics, started
        self._program = program
        self._state: DistillState = program.init(course.seed)
        # Whether good enough, then the score
        self._best = (False, -math.inf)
        self._iteration = 0
        self._examiner = self._evaluator(student)
        self._fresh = student.init(jax.random.key(course.seed))
        self._taught = self._outcome(self._evaluator(teacher.agent), teacher.state)

    @property
    def control_steps(self) -> int:
        return self._iteration * self._course.num_envs * self._course.lesson.rollout

    def teach(self, interrupt: Interrupt, view: LiveView) -> None:
        """Until the student is good enough, the budget is spent, or a signal came."""
        due, examined = self._course.evaluate_every, -1
        while self.control_steps < self._course.steps and not interrupt.is_set:
            self._state, means = self._program.iterate(self._state)
            self._iteration += 1
            self._log({name: float(value) for name, value in jax.device_get(means).items()}, view)
            if self.control_steps < due:
                continue
            due, examined = self.control_steps + self._course.evaluate_every, self._iteration
            if self._examine(view):
                return
        if examined != self._iteration:
            self._examine(view)

    def _evaluator(self, agent: Agent) -> Evaluator:
        return make_evaluator(
            self._teacher.task,
            policy_mean(agent),
            engine=self._course.engine,
            goals="eval",
            episodes=self._course.episodes,
            randomize=self._folder.config.randomize,
        )

    def _outcome(self, evaluator: Evaluator, state: AgentState) -> Outcome:
        key = selection_key(self._course.seed)
        return evaluator.episodes(state, key=key, episodes=self._course.episodes)

    def _examine(self, view: LiveView) -> bool:
        """Measures the student beside the teacher, keeps the best; whether it is good enough."""
        state = self._fresh._replace(
            actor=self._state.student,
            critic=self._teacher.state.critic,
            moments=self._teacher.state.moments,
            log_temperature=self._teacher.state.log_temperature,
        )
        outcome = self._outcome(self._examiner, state)
        self._log(rates(outcome), view)
        result = self._result(outcome)
        mark = (result["good_enough"], score(outcome))
        if mark > self._best:
            self._best, self.result = mark, result
            self._folder.save_best(state, self._info())
            _write(self._folder.path, result)
        return result["good_enough"]

    def _result(self, outcome: Outcome) -> dict[str, Any]:
        behind = {
            name: 100.0
            * float(np.mean(getattr(self._taught, column)) - np.mean(getattr(outcome, column)))
            for name, column in (("success_any", "reached"), ("success_final", "final"))
        }
        return _begun(self._teacher, self._folder.config, self._course) | {
            "control_steps": self.control_steps,
            "gradient_steps": self._gradient_steps,
            "seconds": round(time.monotonic() - self._started, 1),
            "student_success": summary(outcome),
            "teacher_success": summary(self._taught),
            "points_behind": {name: round(value, 2) for name, value in behind.items()},
            "good_enough": max(behind.values()) <= self._course.within,
        }

    def _log(self, values: dict[str, float], view: LiveView) -> None:
        line: dict[str, Any] = {
            "iteration": self._iteration,
            "control_steps": self.control_steps,
            "gradient_steps": self._gradient_steps,
            "seconds": time.monotonic() - self._started,
        } | values
        self._metrics.write(line)
        view.update(line)

    @property
    def _gradient_steps(self) -> int:
        return self._iteration * self._course.lesson.rollout * self._course.lesson.updates

    def _info(self) -> dict[str, Any]:
        return {
            "iteration": self._iteration,
            "control_steps": self.control_steps,
            "seconds": time.monotonic() - self._started,
            "score": self._best[1],
        }


def format_distillation(result: Mapping[str, Any]) -> str:
    """What `distill` returns as lines for a terminal."""
    minutes = result["seconds"] / 60.0
    lines = [
        f"{result['task']}: {result['control_steps']:,} control steps, "
        f"{result['gradient_steps']:,} gradient steps, {minutes:.1f} min; success on the same "
        f"{result['episodes']} starts and goals:",
        f"{'':34} {'any':>7} {'final':>7} {'time at goal':>13}",
    ]
    for who in ("teacher", "student"):
        size, success = result[f"{who}_size"], result[f"{who}_success"]
        any_, final, time_at_goal = (
            success[name]["mean"] for name in ("success_any", "success_final", "time_at_goal")
        )
        name = f"{who}, depth {size['depth']}, width {size['width']}"
        lines.append(f"{name:34} {any_:7.1%} {final:7.1%} {time_at_goal:13.1%}")
    return "\n".join(lines)
