"""Measurements of objects, added up piece by piece: exact for objects that lie in many blocks of a volume.

A piece is what one slice of a block shows of an object. Pieces are rows of a frame whose index is the object: n, the
number of voxels; z, y, x, v, their mean place (voxels) and grey value; zz, yx, ..., sums of products of the distances
from these; outline, the length of its outline (pixels); low, high, the extreme grey values; at_border, whether a voxel
lies at the volume's border.
"""

from itertools import count
from math import pi, prod

import numpy as np
import pandas as pd

MEANS = list("zyxv")
STRAIGHT, DIAGONAL = [(-1, 0), (1, 0), (0, -1), (0, 1)], [(-1, -1), (-1, 1), (1, -1), (1, 1)]
PRODUCTS = ["zz", "yy", "xx", "zy", "zx", "yx", "vv"]
HALO = 2  # pixels around a window that decide what is the outline in it
# Length of an outline at one of its pixels, by 1 and 2 for each neighbour in the outline that shares an edge and 10 for
# each that shares a corner (Benkrid and Crookes, Design and FPGA implementation of a perimeter estimator).
LENGTHS = np.zeros(50)
LENGTHS[[5, 7, 15, 17, 25, 27]] = 1
LENGTHS[[21, 33]] = np.sqrt(2)
LENGTHS[[13, 23]] = (1 + np.sqrt(2)) / 2
EXTREMES = {"low": "min", "high": "max", "at_border": "max"}


def outlines(labels):
    """Length of the outline of its object at each pixel of ``labels`` int[y, x], 0 background; float64[y, x].

    The outline: those pixels of an object that share an edge with what is not of it. Right but for the outermost `HALO`
    pixels of a part of an image.
    """
    straight = shifted(labels, STRAIGHT)
    edge = (labels > 0) & np.any([there != labels for there in straight], axis=0)
    own = np.where(edge, labels, 0)
    near = 2 * sum((there == labels).astype(int) for there in shifted(own, STRAIGHT))
    near += 10 * sum((there == labels).astype(int) for there in shifted(own, DIAGONAL))
    return np.where(edge, LENGTHS[np.where(edge, 1 + near, 0)], 0)


def shifted(image, steps):
    """``image`` [y, x] as seen from each of its pixels, one of ``steps`` (y, x) away; 0 beyond its border."""
    padded, (height, width) = np.pad(image, 1), image.shape
    return [padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in steps]


def pieces(labels, values, lengths, start, shape, dimensions):
    """Frame of the pieces of a window: objects int[z, y, x], 0 background, their grey values and `outlines`.

    start : (z, y, x) of the window in the volume. shape : function of z, the volume's if it is all of the size of the
    slice ``z``. dimensions : 3, or 2 if objects lie in a slice each, so that the first and last slice are no border.
    """
    return merged(
        of_slice(*one, (z, *start[1:]), shape(z), dimensions)
        for z, *one in zip(count(start[0]), labels, values, lengths)
    )


def of_slice(labels, values, lengths, start, shape, dimensions):
    """`pieces` of one slice of a window, all [y, x]."""
    y, x = np.nonzero(labels)
    ids, piece, n = np.unique(labels[y, x], return_inverse=True, return_counts=True)
    at = {"z": np.full(len(y), start[0]), "y": y + start[1], "x": x + start[2], "v": values[y, x].astype(float)}
    means = {name: np.bincount(piece, each, len(ids)) / n for name, each in at.items()}
    off = {name: each - means[name][piece] for name, each in at.items()}
    sums = {a + b: np.bincount(piece, off[a] * off[b], len(ids)) for a, b in PRODUCTS}
    outline = np.bincount(piece, lengths[y, x], len(ids))
    sizes = dict(zip("zyx", shape))
    border = np.any([np.isin(at[axis], (0, sizes[axis] - 1)) for axis in "zyx"[3 - dimensions :]], axis=0)
    voxels = pd.DataFrame({"low": at["v"], "high": at["v"], "at_border": border})
    return (
        pd.DataFrame({"n": n, "outline": outline} | means | sums)
        .join(voxels.groupby(piece).agg(EXTREMES))
        .set_index(ids)
    )


def merged(frames):
    """One row per object from frames of pieces; of frames so merged as well, in any order."""
    every = pd.concat(frames)
    sums = every.groupby(level=0)[["n", "outline"]].sum()
    n = sums["n"]
    means = every[MEANS].mul(every["n"], axis=0).groupby(level=0).sum().div(n, axis=0)
    off = every[MEANS] - means.loc[every.index]
    products = pd.DataFrame({a + b: every[a + b] + every["n"] * off[a] * off[b] for a, b in PRODUCTS})
    extremes = every.groupby(level=0).agg(EXTREMES)
    return pd.concat([sums, means, products.groupby(level=0).sum(), extremes], axis=1)


def table(channels, voxel_size, dimensions):
    """What is published, a row per object: frame of object, z, y, x, voxels, size, diameter, major_axis, minor_axis,
    perimeter, circularity, mean, sd, min, max, at_border.

    channels : dict channel -> `merged` pieces; of several, mean_0, sd_0, ... are of the channel 0. voxel_size :
    (z, y, x) in some unit. z, y, x are the centre in voxels, from 0; mean, sd, min, max of grey values; the rest is in
    the unit: size the area (``dimensions`` 2) or volume (3), diameter that of a disc or ball as large, major_axis and
    minor_axis those of an ellipse or ellipsoid with the same second moments. perimeter, and circularity,
    4 pi area / perimeter^2, are NaN in space and where pixels aren't square.
    """
    objects = next(iter(channels.values()))
    axes, n = "zyx"[3 - dimensions :], objects["n"]
    steps = dict(zip("zyx", voxel_size))
    size = n * prod(steps[a] for a in axes)
    spread = np.array(
        [[objects["".join(sorted(a + b, reverse=True))] * steps[a] * steps[b] / n for a in axes] for b in axes]
    )
    longest = 2 * np.sqrt((dimensions + 2) * np.linalg.eigvalsh(spread.transpose(2, 0, 1)).clip(0))
    flat = dimensions == 2 and steps["y"] == steps["x"]
    perimeter = objects["outline"] * (steps["x"] if flat else np.nan)
    found = {
        "object": objects.index,
        **{axis: objects[axis] for axis in "zyx"},
        "voxels": n,
        "size": size,
        "diameter": 2 * np.sqrt(size / pi) if dimensions == 2 else np.cbrt(6 * size / pi),
        "major_axis": longest[:, -1],
        "minor_axis": longest[:, 0],
        "perimeter": perimeter,
        "circularity": 4 * pi * size / perimeter.replace(0, np.nan) ** 2,
    }
    for channel, one in channels.items():
        grey = {"mean": one["v"], "sd": np.sqrt(one["vv"] / n), "min": one["low"], "max": one["high"]}
        found |= grey if len(channels) == 1 else {f"{name}_{channel}": values for name, values in grey.items()}
    return pd.DataFrame(found | {"at_border": objects["at_border"]}).reset_index(drop=True)
