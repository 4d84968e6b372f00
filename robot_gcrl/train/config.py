"""What a training run is made of, as one frozen dataclass, and its JSON.

Every field holds the value that is used: presets and a task's hints are resolved before
(`robot_gcrl.train.presets`), so that the `config.json` of a run folder reproduces the run. This
module imports neither JAX nor MuJoCo.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from robot_gcrl.agents.baselines.config import Algorithm, BaselineConfig
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.contract.realism import LEVELS, Level
from robot_gcrl.env.proposal import GoalProposal
from robot_gcrl.errors import ConfigError, unknown_name

Engine = Literal["native", "mjx", "warp"]
Preset = Literal["default", "paper", "laptop", "smoke"]
Track = Literal["none", "tensorboard", "wandb", "mlflow"]

RESUMABLE = frozenset(
    {
        "steps",
        "minutes",
        "evaluations",
        "checkpoint_interval",
        "overlap",
        "physics_threads",
        "track",
    }
)
"""Settings that a resumed run may change: none of them changes the result of a gradient step."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of a training run; "control steps" are counted over all worlds unless said."""

    task: str
    """Name of the task, or FILE.py:NAME for one of your own."""
    maze: Path | None
    """Text grid of a maze that replaces the task's own (# wall, S start, G goal, . free)."""
    preset: Preset
    """Preset that the settings started from."""
    engine: Engine
    """Physics engine that steps the worlds."""
    seed: int
    """Seed of everything random in the run."""
    steps: int
    """Control steps in all, with a dataset gradient steps, after which the run ends."""
    minutes: float | None
    """Wall-clock limit [min], after which the run saves and ends before its steps are done."""
    num_envs: int
    """Worlds stepped side by side."""
    control_steps_per_update: float
    """Control steps collected for each gradient step."""
    replay_capacity: int
    """Control steps that the replay keeps of each world."""
    rollout: int
    """Control steps of each world, with a dataset gradient steps, in one call of the program."""
    prefill: int
    """Control steps of each world collected before the first gradient step."""
    eval_episodes: int
    """Episodes of one evaluation."""
    evaluations: int
    """Evaluations during the run, evenly spread; the last one, with 0 the only one, at its end."""
    checkpoint_interval: float
    """Time between two checkpoints [s]."""
    overlap: bool
    """Whether physics runs on other cores while the learner computes; the result is the same."""
    physics_threads: int
    """Threads of the native engine; 0 takes all cores but one."""
    goal_switch_probability: float
    """Probability, per control step, that a training episode is given another goal."""
    near_goal_radius: float | None
    """Distance from the achieved goal within which near goals are drawn, in the goal's unit."""
    near_goal_share: float
    """Share of the training goals that are near ones."""
    random_start_share: float
    """Share of the training episodes that start anywhere in the scene."""
    goal_proposal: GoalProposal = "task"
    """Origin of a share of the training goals beside the task's own distribution."""
    goal_proposal_share: float = 0.5
    """Share of the training goals that the proposal gives."""
    goal_noise: float | None = None
    """Standard deviation of visited_noise, in the unit of the goal; None is the success radius."""
    curriculum_radius: float | None = None
    """First and least radius of the curriculum, in the goal's unit; None is two success radii."""
    randomize: Level = "off"
    """Realism of training and of the run's own evaluations: off, or a level that the task has."""
    start_from: Path | None = None
    """Run, also as --from RUN, whose networks, temperature and moments this one begins with."""
    from_checkpoint: Literal["best", "last"] = "best"
    """Which checkpoint of that run."""
    track: Track = "none"
    """Tracker that receives the metrics too; metrics.jsonl has them in any case."""
    dataset: Path | None = None
    """File of recorded trajectories (.npz) to learn from; nothing is collected then."""
    algorithm: Algorithm = "crl"
    """How is learned: crl is contrastive; sac and ppo are brax's (docs/baselines.md)."""
    run: Path
    """Folder that the run is written to."""
    agent: CrlConfig
    """Networks and losses of the agent."""
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    """Of algorithms other than crl."""

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_ranges()
        if self.near_goal_share > 0.0 and self.near_goal_radius is None:
            raise ConfigError(
                f"near_goal_share is {self.near_goal_share} and near_goal_radius is None. Expected "
                "a radius where goals shall be near. Set near_goal_radius, or near_goal_share to 0."
            )
        if self.dataset is None and self.prefill <= self.agent.chunk:
            raise ConfigError(
                f"prefill is {self.prefill} control steps per world and agent.chunk is "
                f"{self.agent.chunk}. Expected a prefill of more than one chunk: before that the "
                "replay holds no whole one. Raise prefill or lower agent.chunk."
            )
        self._check_proposal()
        self._check_algorithm()
        if self.from_checkpoint != "best" and self.start_from is None:
            raise ConfigError(
                f"from_checkpoint is {self.from_checkpoint!r} and there is no run to start from. "
                "Expected one whose checkpoint it is. Add --from RUN, or leave it out."
            )
        if self.replay_capacity < self.prefill:
            raise ConfigError(
                f"replay_capacity is {self.replay_capacity} and prefill is {self.prefill} control "
                "steps per world. Expected a replay that holds the prefill. Raise replay_capacity "
                "or lower prefill."
            )

    def _check_choices(self) -> None:
        for name, choices in (
            ("preset", get_args(Preset)),
            ("engine", get_args(Engine)),
            ("randomize", LEVELS),
            ("goal_proposal", get_args(GoalProposal)),
            ("from_checkpoint", ("best", "last")),
            ("track", get_args(Track)),
            ("algorithm", get_args(Algorithm)),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}. Expected one of {', '.join(choices)}. "
                    f"Set {name} to one of them."
                )

    def _check_algorithm(self) -> None:
        for name in ("start_from", "dataset"):
            if self.algorithm != "crl" and getattr(self, name) is not None:
                raise ConfigError(
                    f"{option(name)} is {getattr(self, name)} and algorithm is "
                    f"{self.algorithm!r}. Expected it with crl alone, which reads it. Leave it "
                    "out, or choose crl."
                )

    def _check_proposal(self) -> None:
        for name, reader in (("goal_noise", "visited_noise"), ("curriculum_radius", "curriculum")):
            if getattr(self, name) is not None and self.goal_proposal != reader:
                raise ConfigError(
                    f"{name} is {getattr(self, name)} and goal_proposal is {self.goal_proposal!r}. "
                    f"Expected {name} with {reader} alone, which reads it. Set goal_proposal to "
                    f"{reader}, or {name} to None."
                )
        if self.goal_proposal != "task" and self.goal_proposal_share == 0.0:
            raise ConfigError(
                f"goal_proposal is {self.goal_proposal!r} and goal_proposal_share is 0.0. Expected "
                "a share above 0 where goals shall be proposed. Raise goal_proposal_share, or set "
                "goal_proposal to task."
            )

    def _check_ranges(self) -> None:
        low_high = {
            "seed": (0, 2**31 - 1),
            "steps": (1, 2**53),
            "minutes": (0.0, 2**53),
            "num_envs": (1, 2**20),
            "replay_capacity": (2, 2**30),
            "rollout": (1, 2**20),
            # The newest row of a world is never an anchor: with fewer rows there is none.
            "prefill": (2, 2**30),
            "eval_episodes": (1, 2**24),
            "evaluations": (0, 2**24),
            "checkpoint_interval": (0.0, 2**53),
            "physics_threads": (0, 4096),
            "goal_switch_probability": (0.0, 1.0),
            "near_goal_share": (0.0, 1.0),
            "random_start_share": (0.0, 1.0),
            "goal_proposal_share": (0.0, 1.0),
        }
        for name, (low, high) in low_high.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(
                    f"{name} is {value}. Expected a number from {low} to {high}. Change {name}."
                )
        for name in (
            "control_steps_per_update",
            "near_goal_radius",
            "goal_noise",
            "curriculum_radius",
        ):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise ConfigError(
                    f"{name} is {value}. Expected a finite number above 0. Change {name}."
                )


def option(name: str) -> str:
    """The command-line spelling of a field: "agent.batch_size" -> "--agent.batch-size"."""
    # `from` is a word of Python's own, and cannot be a field's name
    return "--from" if name == "start_from" else "--" + name.replace("_", "-")


def flat(config: TrainConfig) -> dict[str, Any]:
    """Values by dotted name: {"seed": 0, ..., "agent.depth": 4, ...}."""
    content: dict[str, Any] = {}
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if dataclasses.is_dataclass(value):
            inner = dataclasses.fields(value)
            content |= {f"{entry.name}.{f.name}": getattr(value, f.name) for f in inner}
        else:
            content[entry.name] = value
    return content


def contents(config: TrainConfig) -> dict[str, Any]:
    """As `flat`, a maze by what is in its file: every run folder has its own copy.

    Raises:
      OSError: the file of the maze cannot be read.
    """
    found = flat(config)
    if config.maze is not None:
        found["maze"] = config.maze.read_text(encoding="utf-8")
    return found


def override(config: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """The configuration with the values of these dotted names ("agent.depth") replaced.

    Raises:
      UnknownNameError: no field has such a name.
      ConfigError: the result is out of range.
    """
    outer: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    known = flat(config)
    for name, value in values.items():
        if name in ("agent", "baseline"):
            outer[name] = value
            continue
        if name not in known:
            raise unknown_name("setting", name, known, see="robot-gcrl train --help", lists=False)
        group, _, last = name.rpartition(".")
        (inner.setdefault(group, {}) if group else outer)[last] = value
    for group, changes in inner.items():
        outer[group] = dataclasses.replace(outer.get(group, getattr(config, group)), **changes)
    return dataclasses.replace(config, **outer)


def resumed(stored: TrainConfig, given: Mapping[str, Any]) -> TrainConfig:
    """The configuration of a resumed run: the stored one with the options that may change.

    Args:
      stored: of the run folder.
      given: the options that the user wrote, by dotted name.

    Raises:
      ConfigError: an option contradicts the run.
    """
    before = flat(stored)
    changed: dict[str, Any] = {}
    for name, value in given.items():
        if name in before and before[name] == value:
            continue
        # A dataset may lie elsewhere now: its content is checked
        is_moved = name == "dataset" and stored.dataset is not None
        if name in before and name not in RESUMABLE and not is_moved:
            raise ConfigError(
                f"{option(name)} {value} contradicts the run {stored.run}, which has "
                f"{before[name]}. A resumed run keeps its settings, except "
                f"{', '.join(option(n) for n in sorted(RESUMABLE))}. Leave the option out, or "
                "start a new run with --run."
            )
        changed[name] = value
    return override(stored, changed)
