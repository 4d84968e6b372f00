"""Levels of realism that several robots share; what one alone needs stands in its own file."""

from collections.abc import Sequence

from robot_gcrl.contract.realism import (
    Noise,
    Pose,
    Push,
    Realism,
    Variation,
    softened,
)

SOFTER = 0.4  # of the full level, for the level low


def walker_levels(joints: Sequence[str], *, root: str = "root") -> dict[str, Realism]:
    """Realism of a torque-driven creature that only simulators have: no link, no delay.

    Args:
      joints: hinges, each with its motor; their velocities are observed.
      root: the free joint, whose pose and velocity are observed.
    """
    names = tuple(joints)
    full = Realism(
        variations=(
            Variation(quantity="mass", low=0.85, high=1.15),
            # of every pair the greater counts, so all change together
            Variation(quantity="friction", low=0.7, high=1.3, together=True),
            Variation(quantity="actuator_gain", low=0.85, high=1.15),
            Variation(quantity="damping", names=names, low=0.7, high=1.3),
        ),
        slope=0.05,
        poses=tuple(Pose(joint=joint, low=-0.1, high=0.1) for joint in names),
        noises=(
            Noise(source="qpos", names=(root,), std=0.01),
            Noise(source="qpos", names=names, std=0.01, bias=0.02),
            Noise(source="qvel", names=(root, *names), std=0.1),
        ),
        push=Push(joint=root, interval=5.0, velocity=0.3, spin=0.3),
    )
    return {"low": softened(full, SOFTER), "full": full}


def bench_levels(joints: Sequence[str], sensors: Sequence[str] = ()) -> dict[str, Realism]:
    """Realism of a small mechanism on a bench: its model and what it measures, no delay.

    Args:
      joints: hinges and slides, each with its motor; positions and velocities are observed.
      sensors: positions that are observed beside.
    """
    names = tuple(joints)
    full = Realism(
        variations=(
            Variation(quantity="mass", low=0.8, high=1.25),
            Variation(quantity="actuator_gain", low=0.85, high=1.15),
            Variation(quantity="damping", names=names, low=0.7, high=1.3),
        ),
        noises=(
            Noise(source="qpos", names=names, std=0.005, bias=0.01),
            Noise(source="qvel", names=names, std=0.05),
            *((Noise(source="sensor", names=tuple(sensors), std=0.002),) if sensors else ()),
        ),
    )
    return {"low": softened(full, SOFTER), "full": full}
