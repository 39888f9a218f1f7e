"""What was predicted or found in images of files or of a data set, as a TIFF file for each image."""

import zarr
from unetflow import jobs
from unetflow.errors import InputError
from unetflow.images.tiff import type_of_tiff, write_tiff


def export_images(image, exported):
    """Write the folder ``exported``: a TIFF file for each slice of the image group ``image``, as large as its image.

    They are called as the images are. Raises InputError if slices have no names, since they are of one volume.
    """
    group = zarr.open_group(image, mode="r")
    array, slices = group["0"], group.attrs["unetflow"]["slices"]
    if not slices:
        raise InputError(f"{image} is of one volume and not of images; ask for {image.removesuffix('.zarr')}.ome.tif")
    dtype, progress = type_of_tiff(array), jobs.Progress(len(slices), "image")
    with jobs.made_whole(exported) as folder:
        for z, one in enumerate(slices):
            height, width = one["shape"]
            values, file = array[..., z, :height, :width], folder / f"{one['name']}.tif"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_tiff(file, values, "CYX"[-values.ndim :], dtype, group)
            progress(z + 1)


if __name__ == "__main__":
    with jobs.job(snakemake):
        export_images(image=snakemake.input.image, exported=snakemake.output.exported)
