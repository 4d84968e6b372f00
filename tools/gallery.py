"""Makes the pictures of docs/gallery.md, smaller, from those of the command.

robot-gcrl tasks --render DIR
python tools/gallery.py DIR
"""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "gallery"
# One of each family
NAMES = (
    "reacher",
    "arm_reach",
    "arm_push",
    "arm_binpick",
    "arm_grasp",
    "pusher_two",
    "point_maze_hardest",
    "ant",
    "ant_maze_u",
    "ant_ball",
    "ant_push",
    "cheetah",
    "humanoid",
    "quadruped",
)
WIDTH = 480  # [pixels]


def main(arguments: list[str]) -> int:
    """Writes docs/gallery/NAME.webp; returns 0."""
    (folder,) = map(Path, arguments)
    OUT.mkdir(exist_ok=True)
    for name in NAMES:
        picture = Image.open(folder / f"{name}.png")
        picture.thumbnail((WIDTH, WIDTH))
        picture.save(OUT / f"{name}.webp", quality=80)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
