"""The first test slice of a fold by every recipe, side by side."""

from unetflow import jobs
from unetflow.datasets.stacks import Volume
from unetflow.predictions import Prediction
from unetflow.report import figures


def plot_methods(volume, methods, figure):
    """Write an SVG. methods : dict recipe -> (prediction, segmentation), paths of stores that hold the same slices."""
    volume, shown = Volume(volume), []
    for title, (prediction, segmentation) in methods.items():
        probabilities, objects = Prediction(prediction), Prediction(segmentation)
        name = probabilities.names[0]
        shown.append((title, probabilities.foreground(name), objects.labels(name)))
    figures.save(figures.methods_figure(name, volume.image(name), volume.labels(name), shown), figure)


if __name__ == "__main__":
    with jobs.job(snakemake):
        stores = zip(snakemake.input.predictions, snakemake.input.segmentations)
        plot_methods(
            volume=snakemake.input.volume,
            methods=dict(zip(snakemake.params.models, stores)),
            figure=snakemake.output.figure,
        )
