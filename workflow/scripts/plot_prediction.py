"""Picture of a model's test slices: image, probability, borders."""

from unetflow import figures, jobs
from unetflow.stacks import Prediction, Volume

SHOWN = 2  # slices


def plot_prediction(volume, prediction, segmentation, figure):
    """Write an SVG of the first test slices."""
    volume, probabilities, objects = Volume(volume), Prediction(prediction), Prediction(segmentation)
    slices = [
        (name, volume.image(name), volume.labels(name), probabilities.probability(name), objects.labels(name))
        for name in probabilities.names[:SHOWN]
    ]
    figures.save(figures.prediction_figure(slices), figure)


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_prediction(
            volume=snakemake.input.volume,
            prediction=snakemake.input.prediction,
            segmentation=snakemake.input.segmentation,
            figure=snakemake.output.figure,
        )
