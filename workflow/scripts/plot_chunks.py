"""Picture of augmented training samples."""

from unetflow import jobs
from unetflow.datasets.stacks import Samples
from unetflow.report import figures

SHOWN = 4  # samples


def plot_chunks(chunk, figure):
    """Write an SVG of the first samples of a chunk: image, target, weight."""
    samples = Samples([chunk])
    figures.save(figures.chunks_figure([samples[i] for i in range(min(SHOWN, len(samples)))]), figure)


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_chunks(chunk=snakemake.input.chunk, figure=snakemake.output.figure)
