"""Objects from the probabilities of a fold's test slices."""

import json
from pathlib import Path

import numpy as np
import zarr
from unetflow import jobs
from unetflow.images.ngff import create_image
from unetflow.objects import segment, slice_options
from unetflow.predictions import Prediction


def segment_slices(prediction, segmentation, options):
    """Write ``segmentation``, an OME-Zarr int32[z, y, x] with objects numbered per slice; ``options`` for `segment`."""
    source = Prediction(prediction)
    with jobs.made_whole(segmentation) as path:
        array = create_image(path, source.array.shape[1:], np.int32, source.voxel_size, source.unit)
        counts = []
        for z, name in enumerate(source.names):
            height, width = source.shape(name)
            of_pixels = {"inside": source.inside(name), "classes": source.classes(name)}
            labels, count = segment(source.foreground(name), number=len(source.objects), **of_pixels, **options)
            array[z, :height, :width] = labels
            counts.append(count)
        zarr.open_group(path, mode="a").attrs["unetflow"] = {
            "slices": source.meta["slices"],
            "classes": source.objects,
            "objects": counts,
        }
    told = (f"{sum(of_class)} {name}" for name, of_class in zip(source.objects, zip(*counts)))
    jobs.log.info(f"objects in {len(counts)} slices: {', '.join(told)}")


if __name__ == "__main__":
    with jobs.job(snakemake):
        chosen = snakemake.input.chosen
        segment_slices(
            prediction=snakemake.input.prediction,
            segmentation=snakemake.output.segmentation,
            options=json.loads(Path(chosen[0]).read_text()) if chosen else slice_options(snakemake.params.segmentation),
        )
