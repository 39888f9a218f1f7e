"""Picture of a model's test slices: image, probability of each class, borders, spread."""

import pandas as pd
from unetflow import jobs
from unetflow.datasets.stacks import Volume
from unetflow.predictions import Prediction
from unetflow.report import figures

SHOWN = 2  # slices


def plot_prediction(volume, prediction, segmentation, metrics, figure):
    """Write an SVG of the first test slices, with their ``metrics`` (CSV) in words."""
    volume, probabilities, objects = Volume(volume), Prediction(prediction), Prediction(segmentation)
    slices = [
        (
            *(name, volume.image(name), volume.labels(name)),
            *(probabilities.chances(name), objects.labels(name), probabilities.spread(name)),
        )
        for name in probabilities.names[:SHOWN]
    ]
    drawn = figures.prediction_figure(slices)
    drawn.suptitle("\n".join(in_words(metrics, name) for name in [*(one[0] for one in slices), "all"]), fontsize=9)
    figures.save(drawn, figure)


def in_words(metrics, image):
    """The metrics of one slice, or of "all" together."""
    table = pd.read_csv(metrics, dtype={"image": str})
    values = table[table["image"] == image].dropna(subset="value")
    told = ", ".join(f"{row.metric} {row.value:.3g}" for row in values.itertuples())
    return f"{'all test slices' if image == 'all' else image}: {told or 'not annotated'}"


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_prediction(
            volume=snakemake.input.volume,
            prediction=snakemake.input.prediction,
            segmentation=snakemake.input.segmentation,
            metrics=snakemake.input.metrics,
            figure=snakemake.output.figure,
        )
