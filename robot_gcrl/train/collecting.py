"""Settings that a run would not read, refused where they were given.

Beside --dataset nothing is collected; and no algorithm reads what is of another one.

Imports neither JAX nor MuJoCo.
"""

from collections.abc import Iterable

from robot_gcrl.agents.baselines.config import Algorithm, unread
from robot_gcrl.errors import ConfigError
from robot_gcrl.train.config import TrainConfig, option

COLLECTING = (
    "num_envs",
    "control_steps_per_update",
    "replay_capacity",
    "prefill",
    "overlap",
    "physics_threads",
    "goal_switch_probability",
    "near_goal_radius",
    "near_goal_share",
    "random_start_share",
    "goal_proposal",
    "goal_proposal_share",
    "goal_noise",
    "curriculum_radius",
)


def refuse_collecting(given: Iterable[str]) -> None:
    """Fails where a setting was given that an offline run would not read.

    Args:
      given: names of settings that the user wrote.

    Raises:
      ConfigError: one of them is of collecting.
    """
    idle = [option(name) for name in given if name in COLLECTING]
    if idle:
        raise ConfigError(
            f"{', '.join(idle)} was given beside --dataset, with which nothing is collected. "
            f"Expected settings that learning reads. Leave {'it' if len(idle) == 1 else 'them'} "
            "out, or collect without --dataset."
        )


def refuse_unread(algorithm: Algorithm, given: Iterable[str]) -> None:
    """Fails where a setting was given that a run with this algorithm would not read.

    Args:
      algorithm: of the run.
      given: names of settings that the user wrote.

    Raises:
      ConfigError: one of them is of another algorithm.
    """
    idle = [option(name) for name in given if name in unread(algorithm)]
    if idle:
        raise ConfigError(
            f"{', '.join(idle)} was given with --algorithm {algorithm}, which does not read "
            f"{'it' if len(idle) == 1 else 'them'}. Expected settings that it reads. Leave "
            f"{'it' if len(idle) == 1 else 'them'} out, or choose another algorithm: "
            "docs/baselines.md says which reads what."
        )


def refuse_idle(config: TrainConfig, given: Iterable[str], *, starts_anywhere: bool) -> None:
    """Fails where a setting was given that something else keeps from being read.

    Args:
      config: of the run, with what was given.
      given: names of settings that the user wrote.
      starts_anywhere: whether the task has starts anywhere in its scene.

    Raises:
      ConfigError: a radius of near goals of which there are none, a share of goals that nothing
        proposes, of starts that the task lacks, a discount that the cloning of all futures alike
        does not have, a first bias or a width that no network has, a loss beside the likelihood of
        a survival critic, whose bins of time want rows drawn alike, or how the native engine works
        of another one.
    """
    elsewhere = config.engine != "native"
    is_gcbc, agent = config.algorithm == "gcbc", config.agent
    survives = agent.critic == "survival"
    cloning = is_gcbc and config.baseline.hindsight != "geometric"
    for name, is_idle, reader in (
        ("near_goal_radius", config.near_goal_share == 0.0, "a near_goal_share above 0"),
        ("goal_proposal_share", config.goal_proposal == "task", "a goal_proposal beside task"),
        ("random_start_share", not starts_anywhere, "a task that has starts anywhere"),
        ("agent.gamma", cloning, "baseline.hindsight geometric"),
        ("agent.input_bias", agent.norm == "hyperspherical", "another agent.norm"),
        ("agent.loss", survives and agent.loss != "infonce", "another agent.critic"),
        ("agent.moving_share", survives and agent.moving_share > 0.0, "another agent.critic"),
        ("agent.width", is_gcbc and agent.actor_width is not None, "no agent.actor_width"),
        ("overlap", elsewhere, "the engine native"),
        ("physics_threads", elsewhere, "the engine native"),
    ):
        if is_idle and name in given:
            raise ConfigError(
                f"{option(name)} was given, which is read with {reader} alone. Expected settings "
                f"that the run reads. Leave it out, or take {reader}."
            )
