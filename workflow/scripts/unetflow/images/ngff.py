"""OME-Zarr 0.5 (Zarr v3, sharded): images and label images that napari, Fiji and neuroglancer open."""

from pathlib import Path

import numpy as np
import zarr

TILE = 512  # pixels per side of a compressed chunk at most; a shard (one file) holds many
# By the kind of number, with checksums. Probabilities hardly shrink, so little time is spent on them (docs/log.md).
PACKED = [zarr.codecs.ZstdCodec(level=1, checksum=True)]
PACKED_FLOATS = [zarr.codecs.BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle"), zarr.codecs.Crc32cCodec()]


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
    return create_array(group, "0", shape, dtype, shard)


def spacing(group):
    """(voxel size (z, y, x), unit or None) of an image group that `create_image` made."""
    multiscale = group.attrs["ome"]["multiscales"][0]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    return scale[-3:], multiscale["axes"][-1].get("unit")


def channel_names(group):
    """Names of the channels of an image group that `create_image` made; none if it has no such axis."""
    return [channel["label"] for channel in group.attrs["ome"].get("omero", {"channels": []})["channels"]]


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
    return create_array(group, "0", shape, np.int32)


def create_plain(path, shard=None, **arrays):
    """Create a group at ``path`` with one sharded array per keyword (its value: shape and dtype); returns the group."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for name, (shape, dtype) in arrays.items():
        create_array(group, name, shape, dtype, shard)
    return group


def open_quickly(path, zarr_format=3):
    """The Zarr array of version ``zarr_format`` at ``path`` as a `tensorstore.TensorStore`, which reads in a quarter of
    Zarr-Python's time, writes in two thirds or less, and does both without Python's lock (docs/log.md). Zeros are
    written too, so that a missing file is always a fault."""
    import tensorstore

    kvstore = {"driver": "file", "path": str(Path(path).absolute())}
    spec = {"driver": {2: "zarr", 3: "zarr3"}[zarr_format], "kvstore": kvstore}
    return tensorstore.open(spec | {"store_data_equal_to_fill_value": True}, open=True).result()


def create_array(group, name, shape, dtype, shard=None):
    """Create and return the array ``name`` of a Zarr ``group``.

    ``shard`` None: one file per slice, so that jobs that write whole slices never share one.

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
        compressors=PACKED_FLOATS if np.dtype(dtype).kind == "f" else PACKED,
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
