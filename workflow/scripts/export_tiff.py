"""An image of ours, OME-Zarr, as one BigTIFF with OME-XML, for programs that don't read Zarr."""

import numpy as np
import tifffile
import zarr
from unetflow import jobs
from unetflow.ngff import spacing

SHORT = {"nanometer": "nm", "micrometer": "µm", "millimeter": "mm", "angstrom": "Å"}


def export_tiff(image, exported):
    """Write ``exported``, the full resolution of the image group ``image``, compressed; a slice is held at a time."""
    group = zarr.open_group(image, mode="r")
    array, (voxel, unit) = group["0"], spacing(group)
    metadata = {"axes": "CZYX"[-array.ndim :]} | dict(zip(("PhysicalSizeZ", "PhysicalSizeY", "PhysicalSizeX"), voxel))
    if unit:
        metadata |= {f"PhysicalSize{axis}Unit": SHORT.get(unit, unit) for axis in "ZYX"}
    if "omero" in group.attrs["ome"]:
        metadata["Channel"] = {"Name": [one["label"] for one in group.attrs["ome"]["omero"]["channels"]]}
    dtype = smallest(array)
    with jobs.made_whole(exported) as path:
        tifffile.imwrite(
            path,
            (one.astype(dtype) for one in slices(array)),
            shape=array.shape,
            dtype=dtype,
            ome=True,
            bigtiff=True,
            compression="zlib",
            metadata=metadata,
        )


def slices(array):
    """Every [y, x] of an array [..., y, x], one after the other."""
    for index in np.ndindex(array.shape[:-2]):
        yield array[index]


def smallest(array):
    """The type of the TIFF: for objects (int32), which ImageJ can't show, the unsigned one that holds their ids."""
    if array.dtype.kind != "i":
        return array.dtype
    return np.dtype(np.uint16 if max(one.max() for one in slices(array)) < 2**16 else np.uint32)


if __name__ == "__main__":
    with jobs.job(snakemake):
        export_tiff(image=snakemake.input.image, exported=snakemake.output.exported)
