"""Coarser levels of an OME-Zarr image, to look at; made block by block, going on after a kill."""

from pathlib import Path

import numpy as np
import zarr

from ..blocks import Grid
from ..images.ngff import create_array
from .parallel import in_parallel
from .shards import Shards

SMALLEST_LEVEL = 512  # pixels per side below which no further level is made


def add_pyramid(path, state, labels=False, workers=1):
    """Add levels of half the resolution each to the image group at ``path`` until one is small enough to look at.

    z is halved only once its voxels are not longer than those of y and x. Pixels are means of those below, or, for
    ``labels``, one of them. state : folder for the journals of what is done; it outlives an interrupted job. A few
    blocks of the new level per worker are held at a time.
    """
    group = zarr.open_group(path, mode="a")
    ome = dict(group.attrs["ome"])
    (multiscale,) = ome["multiscales"]
    scale = list(multiscale["datasets"][0]["coordinateTransformations"][0]["scale"])
    finest, array = list(scale), group["0"]
    while max(array.shape[-2:]) > SMALLEST_LEVEL:
        factors = [1] * (array.ndim - 3) + [2 if scale[-3] <= scale[-1] and array.shape[-3] > 1 else 1, 2, 2]
        array = _half(path, array, factors, labels, state, workers)
        scale = [s * f for s, f in zip(scale, factors)]
        transformations = [{"type": "scale", "scale": scale}]
        if not labels:  # the centre of a mean lies between those of its pixels
            offset = [(s - f) / 2 for s, f in zip(scale, finest)]
            transformations.append({"type": "translation", "translation": offset})
        multiscale["datasets"].append({"path": array.basename, "coordinateTransformations": transformations})
    group.attrs["ome"] = ome


def _half(path, array, factors, labels, state, workers):
    """The next level: ``array`` reduced by ``factors`` along its axes."""
    name, shape = str(int(array.basename) + 1), [-(-n // f) for n, f in zip(array.shape, factors)]
    shard, group = array.shards[-3:], zarr.open_group(path, mode="a")
    if name not in group:
        create_array(group, name, shape, array.dtype, shard)
    level = Shards(Path(path, name), Path(state, f"level{name}.jsonl"))

    def write(block):
        if not level.holds(block):
            below = [slice(a * f, b * f) for a, b, f in zip(block.start, block.stop, factors[-3:])]
            level.write(block, _reduced(array[(..., *below)], factors, labels))

    for _ in in_parallel(write, Grid(tuple(shape[-3:]), shard), workers):
        pass
    return group[name]


def _reduced(values, factors, labels):
    """``values`` with every box of ``factors`` pixels made one; boxes cut off by the border repeat its last pixel."""
    if labels:
        return values[tuple(slice(None, None, f) for f in factors)]
    padded = np.pad(values, [(0, -n % f) for n, f in zip(values.shape, factors)], mode="edge")
    boxes = padded.reshape([k for n, f in zip(padded.shape, factors) for k in (n // f, f)])
    means = boxes.mean(axis=tuple(range(1, boxes.ndim, 2)), dtype=np.float32)
    return (np.rint(means) if values.dtype.kind in "ui" else means).astype(values.dtype)
