"""OME-Zarr 0.5 (Zarr v3, sharded): images and label images that napari, Fiji and neuroglancer open."""

from pathlib import Path

import numpy as np
import zarr

TILE = 512  # pixels per side of a compressed chunk; a shard (one file) holds the chunks of one slice


def create_image(path, shape, dtype, voxel_size, unit, channels=None):
    """Create an image group at ``path`` and return its array "0", to be written slice by slice.

    ``shape`` is (z, y, x), or (c, z, y, x) with ``channels`` names; ``voxel_size`` (z, y, x) in ``unit`` (or None).
    """
    axes, scale = _axes(unit), [float(v) for v in voxel_size]
    if channels:
        axes, scale = [{"name": "c", "type": "channel"}, *axes], [1.0, *scale]
    group = zarr.open_group(path, mode="w", zarr_format=3)
    ome = {"version": "0.5", "multiscales": [_multiscale(Path(path).stem, axes, scale)]}
    if channels:
        ome["omero"] = {"channels": [{"label": name, "color": "FFFFFF", "window": _window()} for name in channels]}
    group.attrs["ome"] = ome
    return _create_array(group, "0", shape, dtype)


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


def create_plain(path, **arrays):
    """Create a group at ``path`` with one sharded array per keyword (its value: shape and dtype); returns the group."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for name, (shape, dtype) in arrays.items():
        _create_array(group, name, shape, dtype)
    return group


def _create_array(group, name, shape, dtype):
    """One shard, and so one file, per slice: jobs that write whole slices never share a file."""
    inner = [min(TILE, size) for size in shape[-2:]]
    slice_shape = [-(-size // tile) * tile for size, tile in zip(shape[-2:], inner)]
    leading = [1] * (len(shape) - 2)
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(*leading, *inner),
        shards=(*leading, *slice_shape),
        compressors=zarr.codecs.ZstdCodec(level=1),
        dimension_names=["c", "z", "y", "x"][-len(shape) :] if len(shape) <= 4 else None,
    )


def _axes(unit):
    return [{"name": name, "type": "space"} | ({"unit": unit} if unit else {}) for name in "zyx"]


def _multiscale(name, axes, scale):
    transformation = {"type": "scale", "scale": scale}
    return {"name": name, "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [transformation]}]}


def _window():
    return {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0}
