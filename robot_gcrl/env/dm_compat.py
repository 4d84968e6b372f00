"""dm_control's Physics over our models, mended where MuJoCo has moved on.

dm_control 1.0.50 keeps a table of the arrays of mjModel and mjData of the MuJoCo that it was
generated with, and every Physics asks for all of them; MuJoCo 4.0 has some under other names. Those
are taken out of the table before a Physics is made: nothing reads them by name. A test of this
module says when there are none any more.
"""

# dm_control is an extra, which CI does not install
# pyright: reportMissingImports=false

import functools
from typing import TYPE_CHECKING

import mujoco

from robot_gcrl.errors import EngineError

if TYPE_CHECKING:
    from dm_control.mujoco import Physics


@functools.cache
def stale_names() -> dict[str, list[str]]:
    """By struct, the arrays in dm_control's table, as it came, that this MuJoCo does not have.

    Raises:
      EngineError: dm_control is not installed.
    """
    arrays, structs = _tables()
    return {
        struct: sorted(name for name in arrays[struct] if not hasattr(owner, name))
        for struct, owner in structs.items()
    }


def make_physics(data: mujoco.MjData) -> "Physics":
    """A Physics of dm_control on a world: it shares model and data, nothing is copied.

    Raises:
      EngineError: dm_control is not installed.
    """
    arrays, _ = _tables()
    for struct, names in stale_names().items():
        for name in names:
            arrays[struct].pop(name, None)
    from dm_control.mujoco import Physics
    from dm_control.mujoco.wrapper import MjData

    return Physics(MjData(data))


def _tables() -> tuple[dict[str, dict[str, tuple[object, ...]]], dict[str, type]]:
    """dm_control's table of arrays, and the classes of ours that it is of."""
    try:
        # Imported when it is wanted: it takes a second and looks for a display
        from dm_control.mujoco.wrapper.mjbindings import (
            sizes,
        )
    except ImportError as error:
        raise EngineError(
            f"There is no dm_control Physics without dm_control: {error}. Expected the extra 'dm', "
            "for Python below 3.13. Install it from the checkout: pip install '.[dm]'."
        ) from error
    return sizes.array_sizes, {"mjmodel": mujoco.MjModel, "mjdata": mujoco.MjData}
