"""Where assets, tasks and controllers are: inside an installed package, else beside it."""

from pathlib import Path

from robot_gcrl.errors import RobotGcrlError

_PACKAGE = Path(__file__).resolve().parent


def room(name: str) -> Path:
    """The folder of content called `name`: assets, tasks or controllers.

    Raises:
      RobotGcrlError: neither an installed package nor a checkout has it.
    """
    inside, beside = _PACKAGE / name, _PACKAGE.parent / name
    # In a checkout robot_gcrl/tasks holds only the three-line package that points here.
    for folder in (beside, inside) if (_PACKAGE.parent / "pyproject.toml").exists() else (inside,):
        if folder.is_dir():
            return folder
    raise RobotGcrlError(
        f"The folder {name!r} is missing: looked for {inside} and {beside}. Install the package "
        "again, or clone the whole repository."
    )
