"""An image of ours, OME-Zarr, as one BigTIFF with OME-XML, for programs that don't read Zarr."""

import zarr
from unetflow import jobs
from unetflow.images.tiff import type_of_tiff, write_tiff


def export_tiff(image, exported):
    """Write ``exported``, the full resolution of the image group ``image``, compressed; a slice is held at a time."""
    group = zarr.open_group(image, mode="r")
    array = group["0"]
    with jobs.made_whole(exported) as path:
        write_tiff(path, array, "CZYX"[-array.ndim :], type_of_tiff(array), group)


if __name__ == "__main__":
    with jobs.job(snakemake):
        export_tiff(image=snakemake.input.image, exported=snakemake.output.exported)
