"""Images of ours as TIFF files with OME-XML, for programs that don't read Zarr."""

import numpy as np
import tifffile

from .ngff import channel_names, spacing

SHORT = {"nanometer": "nm", "micrometer": "µm", "millimeter": "mm", "angstrom": "Å"}


def write_tiff(path, array, axes, dtype, group):
    """Write ``array`` [..., y, x], whose ``axes`` are named by letters, as one compressed BigTIFF, plane by plane.

    group : the OME-Zarr image that it is from, which knows voxel sizes and channels.
    """
    voxel, unit = spacing(group)
    metadata = {"axes": axes} | dict(zip(("PhysicalSizeZ", "PhysicalSizeY", "PhysicalSizeX"), voxel))
    if unit:
        metadata |= {f"PhysicalSize{axis}Unit": SHORT.get(unit, unit) for axis in "ZYX"}
    if "C" in axes:
        metadata["Channel"] = {"Name": channel_names(group)}
    tifffile.imwrite(
        path,
        (one.astype(dtype) for one in planes(array)),
        shape=array.shape,
        dtype=dtype,
        ome=True,
        bigtiff=True,
        photometric="minisblack",
        compression="zlib",
        metadata=metadata,
    )


def planes(array):
    """Every [y, x] of an array [..., y, x], one after the other."""
    for index in np.ndindex(array.shape[:-2]):
        yield array[index]


def type_of_tiff(array):
    """The type of the TIFF: for integers of more than 16 bits, which ImageJ can't show, the smallest unsigned one that
    holds them all, as ids of objects; of 16 bits at least."""
    if array.dtype.kind == "f" or array.dtype.itemsize <= 2:
        return array.dtype
    extremes = [(int(one.min()), int(one.max())) for one in planes(array)]
    if min(low for low, _ in extremes) < 0:
        return array.dtype
    return np.min_scalar_type(max(max(high for _, high in extremes), 2**8))
