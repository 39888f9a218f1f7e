"""The 8 symmetries of the square, by name: quarter turns of the last two axes, with or without a mirror.

For NumPy arrays and for tensors alike.
"""

import numpy as np

SYMMETRIES = {
    f"{'mirror_' if mirror else ''}{90 * turns}": (turns, mirror) for mirror in (False, True) for turns in range(4)
}


def apply(name, array):
    """``array[..., y, x]`` mirrored (x) if the name says so, then turned."""
    turns, mirror = SYMMETRIES[name]
    flip, rotate = _operations(array)
    return rotate(flip(array) if mirror else array, turns)


def undo(name, array):
    """The inverse of `apply`."""
    turns, mirror = SYMMETRIES[name]
    flip, rotate = _operations(array)
    array = rotate(array, -turns)
    return flip(array) if mirror else array


def _operations(array):
    """(mirror x, turn by quarters) for this kind of array."""
    if isinstance(array, np.ndarray):
        return lambda a: a[..., ::-1], lambda a, turns: np.rot90(a, turns, axes=(-2, -1))
    # PyTorch copies even what it turns by nothing.
    return lambda a: a.flip(-1), lambda a, turns: a.rot90(turns, (-2, -1)) if turns else a
