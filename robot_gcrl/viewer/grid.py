"""Pictures side by side in one."""

import math
from collections.abc import Sequence

import numpy as np

_GAP = 2  # [px], even: a film has even sides
_DARK = 24


def shape_of(count: int) -> tuple[int, int]:
    """Rows and columns of a grid for so many pictures, about as many rows as columns."""
    columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns


def tile_size(size: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """Width and height [px], even, of one of the pictures of a grid of at most `size` [px].

    They have the proportions of `size`, also where the grid has fewer rows than columns.
    """
    most = max(shape)
    width, height = (2 * ((side - _GAP * (most - 1)) // most // 2) for side in size)
    return width, height


def arrange(
    pictures: Sequence[np.ndarray], shape: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """One picture, uint8 [height, width, 3], of pictures row by row, dark where there is none.

    Args:
      pictures: uint8, each [size[1], size[0], 3]; at most as many as the grid has places.
      shape: rows and columns.
      size: width and height of each of them [px].
    """
    (rows, columns), (width, height) = shape, size
    whole = np.full(
        (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), _DARK, np.uint8
    )
    for i, pixels in enumerate(pictures):
        row, column = divmod(i, columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        whole[top : top + height, left : left + width] = pixels
    return whole
