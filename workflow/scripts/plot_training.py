"""Learning curves."""

import pandas as pd
from unetflow import figures, jobs


def plot_training(history, figure):
    """Write an SVG of losses and validation IoU over the steps."""
    figures.save(figures.learning_figure(pd.read_csv(history)), figure)


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_training(history=snakemake.input.history, figure=snakemake.output.figure)
