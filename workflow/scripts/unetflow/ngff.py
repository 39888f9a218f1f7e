"""OME-Zarr 0.5 (Zarr v3, sharded): images and label images that napari, Fiji and neuroglancer open."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import zarr

TILE = 512  # pixels per side of a compressed chunk at most; a shard (one file) holds many
SMALLEST_LEVEL = 512  # pixels per side below which no further level of a pyramid is made


def create_image(path, shape, dtype, voxel_size, unit, channels=None, shard=None):
    """Create an image group at ``path`` and return its array "0", to be written shard by shard.

    ``shape`` is (z, y, x), or (c, z, y, x) with ``channels`` names; ``voxel_size`` (z, y, x) in ``unit`` (or None).
    ``shard`` (z, y, x) is what one file holds, of all channels; one slice of one channel by default.
    """
    axes, scale = _axes(unit), [float(v) for v in voxel_size]
    if channels:
        axes, scale = [{"name": "c", "type": "channel"}, *axes], [1.0, *scale]
    group = zarr.open_group(path, mode="w", zarr_format=3)
    ome = {"version": "0.5", "multiscales": [_multiscale(Path(path).stem, axes, scale)]}
    if channels:
        highest = 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
        window = {"min": 0.0, "max": highest, "start": 0.0, "end": highest}
        ome["omero"] = {"channels": [{"label": name, "color": "FFFFFF", "window": window} for name in channels]}
    group.attrs["ome"] = ome
    return _create_array(group, "0", shape, dtype, shard)


def spacing(group):
    """(voxel size (z, y, x), unit or None) of an image group that `create_image` made."""
    multiscale = group.attrs["ome"]["multiscales"][0]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    return scale[-3:], multiscale["axes"][-1].get("unit")


def create_labels(image_path, name, shape, voxel_size, unit):
    """Create the label image ``name`` (int32) in the image group at ``image_path`` and return its array."""
    labels = zarr.open_group(f"{image_path}/labels", mode="a", zarr_format=3)
    known = labels.attrs.get("ome", {}).get("labels", [])
    labels.attrs["ome"] = {"version": "0.5", "labels": [*known, name]}
    group = labels.create_group(name)
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [_multiscale(name, _axes(unit), [float(v) for v in voxel_size])],
        "image-label": {"source": {"image": "../../"}},
    }
    return _create_array(group, "0", shape, np.int32)


def create_plain(path, shard=None, **arrays):
    """Create a group at ``path`` with one sharded array per keyword (its value: shape and dtype); returns the group."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for name, (shape, dtype) in arrays.items():
        _create_array(group, name, shape, dtype, shard)
    return group


def add_pyramid(path, labels=False):
    """Add levels of half the resolution each to the image group at ``path`` until one is small enough to look at.

    z is halved only once its voxels are not longer than those of y and x. Pixels are means of those below, or, for
    ``labels``, one of them. One shard of the new level is made at a time.
    """
    group = zarr.open_group(path, mode="a")
    ome = dict(group.attrs["ome"])
    (multiscale,) = ome["multiscales"]
    scale = list(multiscale["datasets"][0]["coordinateTransformations"][0]["scale"])
    finest, array = list(scale), group["0"]
    while max(array.shape[-2:]) > SMALLEST_LEVEL:
        factors = [1] * (array.ndim - 3) + [2 if scale[-3] <= scale[-1] and array.shape[-3] > 1 else 1, 2, 2]
        array = _half(group, array, factors, labels)
        scale = [s * f for s, f in zip(scale, factors)]
        transformations = [{"type": "scale", "scale": scale}]
        if not labels:  # the centre of a mean lies between those of its pixels
            offset = [(s - f) / 2 for s, f in zip(scale, finest)]
            transformations.append({"type": "translation", "translation": offset})
        multiscale["datasets"].append({"path": array.basename, "coordinateTransformations": transformations})
    group.attrs["ome"] = ome


def _half(group, array, factors, labels):
    """The next level: ``array`` reduced by ``factors`` along its axes."""
    shape = [-(-n // f) for n, f in zip(array.shape, factors)]
    shard = array.shards[-3:]
    result = _create_array(group, str(int(array.basename) + 1), shape, array.dtype, shard)
    for place in product(*(range(math.ceil(n / s)) for n, s in zip(shape[-3:], shard))):
        where = [slice(0, None)] * (array.ndim - 3)
        where += [slice(i * s, min((i + 1) * s, n)) for i, s, n in zip(place, shard, shape[-3:])]
        below = [slice(w.start * f, w.stop and w.stop * f) for w, f in zip(where, factors)]
        result[*where] = _reduced(array[*below], factors, labels)
    return result


def _reduced(values, factors, labels):
    """``values`` with every box of ``factors`` pixels made one; boxes cut off by the border repeat its last pixel."""
    if labels:
        return values[tuple(slice(None, None, f) for f in factors)]
    padded = np.pad(values, [(0, -n % f) for n, f in zip(values.shape, factors)], mode="edge")
    boxes = padded.reshape([k for n, f in zip(padded.shape, factors) for k in (n // f, f)])
    means = boxes.mean(axis=tuple(range(1, boxes.ndim, 2)), dtype=np.float32)
    return (np.rint(means) if values.dtype.kind in "ui" else means).astype(values.dtype)


def _create_array(group, name, shape, dtype, shard=None):
    """``shard`` None: one file per slice, so that jobs that write whole slices never share one.

    What an interrupted job left there is replaced. Every shard is written even if it is all zeros, so that a missing
    file is always a fault; chunks carry checksums.
    """
    if shard is None:
        inner = [min(TILE, size) for size in shape[-2:]]
        shards = [1] * (len(shape) - 2) + [-(-size // tile) * tile for size, tile in zip(shape[-2:], inner)]
    else:
        inner = [_divisor(size) for size in shard[-2:]]
        shards = [*shape[:-3], *shard]
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(*[1] * (len(shape) - 2), *inner),
        shards=shards,
        compressors=zarr.codecs.ZstdCodec(level=1, checksum=True),
        dimension_names=["c", "z", "y", "x"][-len(shape) :] if len(shape) <= 4 else None,
        config={"write_empty_chunks": True},
        overwrite=True,
    )


def _divisor(size):
    """The largest divisor of ``size`` that is at most TILE."""
    return next(d for d in range(min(size, TILE), 0, -1) if size % d == 0)


def _axes(unit):
    return [{"name": name, "type": "space"} | ({"unit": unit} if unit else {}) for name in "zyx"]


def _multiscale(name, axes, scale):
    transformation = {"type": "scale", "scale": scale}
    return {"name": name, "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [transformation]}]}
