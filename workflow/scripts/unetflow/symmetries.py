"""The 8 symmetries of the square, by name: quarter turns of the last two axes, with or without a mirror."""

import numpy as np

SYMMETRIES = {
    f"{'mirror_' if mirror else ''}{90 * turns}": (turns, mirror) for mirror in (False, True) for turns in range(4)
}


def apply(name, array):
    """``array[..., y, x]`` mirrored (x) if the name says so, then turned."""
    turns, mirror = SYMMETRIES[name]
    return np.rot90(array[..., ::-1] if mirror else array, turns, axes=(-2, -1))


def undo(name, array):
    """The inverse of `apply`."""
    turns, mirror = SYMMETRIES[name]
    array = np.rot90(array, -turns, axes=(-2, -1))
    return array[..., ::-1] if mirror else array
