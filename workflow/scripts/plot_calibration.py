"""Reliability of the probabilities of every recipe on one data set, and errors by their spread."""

import pandas as pd
from unetflow import jobs
from unetflow.experiment.names import recipe_of
from unetflow.report import figures


def plot_calibration(calibration, dataset, figure):
    """Write an SVG of the rows of ``dataset`` in the table ``calibration``, folds and seeds of a recipe together."""
    rows = pd.read_csv(calibration)
    rows = rows[rows["dataset"] == dataset]
    figures.save(figures.calibration_figure(pooled(rows)), figure)


def pooled(rows):
    """The bins of all models of a recipe as one: a frame with recipe, of, low, pixels, mean, share."""
    rows = rows.assign(recipe=rows["model"].map(recipe_of))
    sums = rows.assign(mean=rows["mean"] * rows["pixels"], share=rows["share"] * rows["pixels"])
    sums = sums.groupby(["recipe", "of", "low"], sort=False)[["pixels", "mean", "share"]].sum().reset_index()
    return sums.assign(mean=sums["mean"] / sums["pixels"], share=sums["share"] / sums["pixels"])


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_calibration(snakemake.input.calibration, snakemake.wildcards.dataset, snakemake.output.figure)
