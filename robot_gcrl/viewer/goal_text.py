"""Goals and distances in words, headings in degrees."""

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.fields import SuccessGroup
from robot_gcrl.viewer.headings import degrees_apart, heading_of, make_headings


def distance_text(contract: Contract, group: SuccessGroup, distance: float) -> tuple[str, str]:
    """What a distance of a success group is called, and how far it is and may be.

    Args:
      contract: of the robot.
      group: of the contract.
      distance: between its achieved values and the goal, SI.
    """
    heading = heading_of(make_headings(contract), contract, group)
    if heading:
        apart, needed = degrees_apart(distance), degrees_apart(group.radius)
        return f"distance ({heading})", f"{apart:.0f} deg, needs {needed:.0f}"
    units = {field.label: field.unit for field in contract.goal}
    unit = units[group.labels[0]]
    names = ", ".join(group.labels)
    return f"distance ({names})", f"{distance:.3f} {unit}, needs {group.radius:g}"


def goal_text(contract: Contract, goal: np.ndarray) -> str:
    """A goal [G], number by number."""
    headings = make_headings(contract)
    parts = {
        i: f"{field.label} {x:.2f} {field.unit}"
        for i, (field, x) in enumerate(zip(contract.goal, goal, strict=True))
    }
    for heading in headings:
        parts[heading.cos] = f"{heading.name} {np.degrees(heading.angle(goal)):.0f} deg"
        del parts[heading.sin]
    return ", ".join(parts.values())
