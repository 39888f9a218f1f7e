"""A small volume [t, c, z, y, x] in which any swap of axes, channels or time points shows."""

import numpy as np

SHAPE = {"t": 2, "c": 3, "z": 5, "y": 11, "x": 7}
PHANTOM = np.arange(np.prod(list(SHAPE.values())), dtype=np.uint16).reshape(tuple(SHAPE.values()))


def ordered(phantom, axes):
    """The phantom with these axes in this order; of the others, index 0."""
    index = tuple(slice(None) if axis in axes else 0 for axis in "tczyx")
    kept = [axis for axis in "tczyx" if axis in axes]
    return np.ascontiguousarray(phantom[index].transpose([kept.index(axis) for axis in axes]))


def expected(phantom, axes, channel=0, time=0):
    volume = phantom[time if "t" in axes else 0, channel if "c" in axes else 0]
    return volume if "z" in axes else volume[:1]


def assert_reads(source, volume):
    assert source.shape == volume.shape and source.dtype == volume.dtype
    np.testing.assert_array_equal(source.read((0, 0, 0), volume.shape), volume)
    start, stop = (0, 3, 2), (min(3, volume.shape[0]), 8, 6)
    np.testing.assert_array_equal(source.read(start, stop), volume[tuple(map(slice, start, stop))])
