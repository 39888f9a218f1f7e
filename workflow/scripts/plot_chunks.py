"""Picture of augmented training samples."""

from unetflow import jobs
from unetflow.datasets.stacks import Samples, own
from unetflow.report import figures

SHOWN = 4  # samples


def plot_chunks(chunk, figure, neighbours):
    """Write an SVG of the first samples of a chunk: image without its ``neighbours``, target, weight."""
    samples = Samples([chunk])
    shown = [samples[i] for i in range(min(SHOWN, len(samples)))]
    figures.save(figures.chunks_figure([(own(image, neighbours), *rest) for image, *rest in shown]), figure)


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_chunks(snakemake.input.chunk, snakemake.output.figure, snakemake.params.neighbours)
