"""The axes of a volume: which there may be, and of channels and time points which are read."""

import numpy as np

from ..errors import InputError

CHOSEN = {"t": "time", "c": "channel"}  # axes of which one index is read, and the configuration key that says which


def channels_of(path, channel):
    """The channels that are read of a volume or data set, one by one: ``path``, its place, may be a list with one for
    each, or ``channel`` a list of them; else it is one index, or None where there is no other."""
    if isinstance(path, list) and channel is None:
        return list(range(len(path)))
    return channel if isinstance(channel, list) else [channel]


def check_axes(source):
    """Raise InputError unless the axes of a `sources.Source` fit its array and leave numbers [z, y, x]."""
    axes, shape = source.axes, source.array.shape
    if not axes:
        raise InputError(
            f"{source.name} does not say what its {len(shape)} axes {shape} are; add `axes` to the volume in the "
            f"configuration, for example axes: {'tczyx'[-len(shape) :]}"
        )
    odd = set(axes) - set("tczyx")
    if odd or len(set(axes)) != len(axes) or not {"y", "x"} <= set(axes):
        raise InputError(
            f"{source.name} has axes {axes!r}; they must be y and x, with z, c, t where there are such, each once "
            f"(colours are channels, c)"
        )
    if len(axes) != len(shape):
        raise InputError(f"{source.name} has {len(shape)} axes {shape}, but axes are {axes!r}; name as many")
    for axis, key in CHOSEN.items():
        check_index(source, axis, key)
    if 0 in source.shape:
        raise InputError(f"{source.name} is empty: its shape is {shape}; correct `path` or `array`")
    if source.dtype.kind not in "uif":
        raise InputError(f"{source.name} holds {source.dtype}; convert it to integers or floating-point numbers")


def check_index(source, axis, key):
    """Raise InputError unless ``source.fixed`` says which one along ``axis`` is read, or there is one only."""
    axes, index = source.axes, source.fixed[axis]
    if axis not in axes and index:
        raise InputError(f"{source.name} has axes {axes!r} and no {axis}, but {key} is {index}; leave it out")
    count = source.array.shape[axes.index(axis)] if axis in axes else 1
    if index is None and count > 1:
        colours = "z" in axes or axes.index(axis) > axes.index("y")
        slices = "" if colours else f", or, if they are slices, axes: {axes.replace(axis, 'z')}"
        several = ", or a list of those that the network sees" if axis == "c" else ""
        raise InputError(
            f"{source.name} has {count} along {axis}; add {key} (0 to {count - 1}{several}) to say which is "
            f"read{slices}"
        )
    if not 0 <= np.max(index or 0) < count:
        raise InputError(f"{source.name} has {count} along {axis}, but {key} is {index}; they count from 0")


def in_words(source):
    """The axes of a `sources.Source`, and of channels and time points those that are read."""
    counts = {axis: source.array.shape[source.axes.index(axis)] for axis in CHOSEN if axis in source.axes}
    taken = [f"{CHOSEN[axis]} {source.fixed[axis]} of {count}" for axis, count in counts.items() if count > 1]
    return ", ".join([source.axes, *taken])
