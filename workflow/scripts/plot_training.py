"""Learning curves."""

import pandas as pd
from unetflow import jobs
from unetflow.report import figures


def plot_training(history, figure):
    """Write an SVG of losses and validation IoU over the steps."""
    steps = pd.read_csv(history)
    drawn = figures.learning_figure(steps)
    last, told = steps.iloc[-1], f"after {steps['step'].iloc[-1]} steps: loss {steps['loss'].iloc[-1]:.3g}"
    if "validation_loss" in steps:
        best = steps.loc[steps["validation_loss"].idxmin()]
        told += (
            f", IoU on validation slices {last['validation_iou']:.3g}; least validation loss at step {best['step']:.0f}"
        )
    drawn.suptitle(told, fontsize=9)
    figures.save(drawn, figure)


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_training(history=snakemake.input.history, figure=snakemake.output.figure)
