"""What was predicted or found in images of files or of a data set, as a file for each image: TIFF, or outlines."""

import zarr
from unetflow import jobs
from unetflow.errors import InputError
from unetflow.images.outlines import write_outlines
from unetflow.images.tiff import type_of_tiff, write_tiff
from unetflow.predictions import class_of


def export_images(image, exported, kind="images"):
    """Write the folder ``exported``: a file for each slice of the image group ``image``, as large as its image.

    kind : "images" (TIFF), or of objects "outlines" (GeoJSON). Files are called as the images are. Raises InputError if
    slices have no names, since they are of one volume, or if there are no objects to be outlined.
    """
    group = zarr.open_group(image, mode="r")
    array, meta = group["0"], group.attrs["unetflow"]
    slices = meta["slices"]
    if not slices:
        raise InputError(f"{image} is of one volume and not of images; ask for {image.removesuffix('.zarr')}.ome.tif")
    if kind == "outlines" and (array.dtype.kind not in "ui" or array.dtype.itemsize < 4):  # numbers of objects are wide
        raise InputError(f"{image} holds no objects, which have outlines; ask for segmentation_outlines")
    dtype = type_of_tiff(array) if kind == "images" else None  # which looks at all of it
    progress = jobs.Progress(len(slices), "image")
    with jobs.made_whole(exported) as folder:
        for z, one in enumerate(slices):
            height, width = one["shape"]
            values, file = array[..., z, :height, :width], folder / one["name"]
            file.parent.mkdir(parents=True, exist_ok=True)
            if kind == "outlines":
                write_outlines(f"{file}.geojson", values, namer(meta, z))
            else:
                write_tiff(f"{file}.tif", values, "CYX"[-values.ndim :], dtype, group)
            progress(z + 1)


def namer(meta, z):
    """Function of an object's number in the slice ``z`` that returns the name of its class; None if there is only one.

    meta : what is kept with objects: numbered slice by slice in data sets, throughout in volumes.
    """
    names, counts = meta["classes"], meta["objects"]
    by_slice = isinstance(counts[0], list)
    return (lambda number: names[class_of(number, counts[z] if by_slice else counts)]) if len(names) > 1 else None


if __name__ == "__main__":
    with jobs.job(snakemake):
        export_images(image=snakemake.input.image, exported=snakemake.output.exported, kind=snakemake.wildcards.kind)
