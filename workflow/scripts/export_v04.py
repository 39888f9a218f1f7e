"""An image of ours, OME-Zarr 0.5, as OME-Zarr 0.4 for programs that don't read the newer version yet."""

import numcodecs
import zarr
from unetflow import jobs
from unetflow.blocks import Grid

INSIDE = ("multiscales", "omero", "image-label")  # what carries a version of its own in 0.4


def export_v04(image, exported):
    """Write ``exported``, the image group ``image`` with all its levels in Zarr v2: a file per chunk, no shards.

    A shard of the image is held at a time.
    """
    group = zarr.open_group(image, mode="r")
    with jobs.made_whole(exported) as path:
        copy = zarr.open_group(path, mode="w", zarr_format=2)
        for level in group.attrs["ome"]["multiscales"][0]["datasets"]:
            copy_level(group[level["path"]], copy, level["path"])
        ome = {key: versioned(value) for key, value in group.attrs["ome"].items() if key in INSIDE}
        copy.attrs.update(ome | {key: value for key, value in group.attrs.items() if key != "ome"})


def copy_level(array, group, name):
    """Copy an array into ``group``, shard by shard."""
    copy = group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=array.chunks,
        chunk_key_encoding={"name": "v2", "separator": "/"},
        compressors=numcodecs.Blosc(cname="zstd", clevel=1),
    )
    for block in Grid(array.shape[-3:], array.shards[-3:]):
        where = (..., *block.slices)
        copy[where] = array[where]


def versioned(value):
    """Metadata of 0.5, where the version stands once, as those of 0.4."""
    if isinstance(value, list):
        return [versioned(one) for one in value]
    return {**value, "version": "0.4"}


if __name__ == "__main__":
    with jobs.job(snakemake):
        export_v04(image=snakemake.input.image, exported=snakemake.output.exported)
