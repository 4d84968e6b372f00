"""Settings that only collecting reads: refused beside --dataset, where nothing is collected.

Imports neither JAX nor MuJoCo.
"""

from collections.abc import Iterable

from robot_gcrl.errors import ConfigError
from robot_gcrl.train.config import option

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
