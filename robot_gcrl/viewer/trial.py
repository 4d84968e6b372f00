"""Draws one small picture, as a process of its own: `python -m robot_gcrl.viewer.trial`.

Exit code 0 if the picture is not empty; else 2, with the reason on stdout.
"""

import sys

import mujoco
import numpy as np

from robot_gcrl.errors import RenderingError
from robot_gcrl.viewer.canvas import Canvas

_SCENE = """
<mujoco>
  <worldbody>
    <light pos="0 0 3"/>
    <geom type="sphere" size="1" rgba="1 0 0 1"/>
  </worldbody>
</mujoco>
"""


def main() -> int:
    """Draws, and returns the exit code."""
    model = mujoco.MjModel.from_xml_string(_SCENE)
    try:
        with Canvas(model, width=64, height=48, shadows=False) as canvas:
            pixels = canvas.draw(np.zeros(0))
    except RenderingError as error:
        sys.stdout.write(f"{error}\n")
        return 2
    if not pixels.any():
        sys.stdout.write("The picture of a red ball is black. Try another driver or MUJOCO_GL.\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
