"""Picture of the weight map of a fold."""

import zarr
from unetflow import jobs
from unetflow.datasets.stacks import Volume, read_split
from unetflow.report import figures


def plot_weights(volume, splits, targets, figure, fold):
    """Write an SVG of the first training slice: image, target, weight."""
    volume, targets = Volume(volume), zarr.open_group(targets, mode="r")
    name = read_split(splits, fold)["train"][0]
    height, width = volume.shape(name)
    target, weight = (targets[kind][volume.index[name], :height, :width] for kind in ("target", "weight"))
    figures.save(figures.weights_figure([(name, volume.image(name), target, weight)]), figure)


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_weights(
            volume=snakemake.input.volume,
            splits=snakemake.input.splits,
            targets=snakemake.input.targets,
            figure=snakemake.output.figure,
            fold=snakemake.wildcards.fold,
        )
