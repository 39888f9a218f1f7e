"""Picture of a volume: image, probability, borders of objects, spread, in the middle of its middle slice."""

import numpy as np
from unetflow import jobs
from unetflow.images.sources import open_source
from unetflow.predictions import VolumePrediction
from unetflow.report import figures


def plot_volume(volume, prediction, segmentation, figure):
    """Write an SVG; ``volume`` is the `volumes` entry. Only the window shown is read."""
    image, probability, objects = open_source(**volume), VolumePrediction(prediction), open_source(str(segmentation))
    z = image.shape[0] // 2
    low = (z, *(max(0, (size - figures.CROP) // 2) for size in image.size(z)))
    high = (z + 1, *(min(a + figures.CROP, size) for a, size in zip(low[1:], image.size(z))))
    found = objects.read(low, high)[0].astype(np.int64)
    chances = {name: one[0] for name, one in probability.chances(low, high).items()}
    spread = probability.spread(low, high)
    shown = (f"z = {z}", image.read(low, high)[0], None, chances, found, None if spread is None else spread[0])
    figures.save(figures.prediction_figure([shown]), figure)


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_volume(
            volume=snakemake.params.volume,
            prediction=snakemake.input.prediction,
            segmentation=snakemake.input.segmentation,
            figure=snakemake.output.figure,
        )
