"""All recipes on one data set: bars with spread beside the published figures, and gains over the reference."""

import pandas as pd
from unetflow import jobs
from unetflow.metrics.registry import METRICS, OF_OBJECTS
from unetflow.report import figures
from unetflow.report.tables import read_runs


def plot_comparison(summary, metrics, reported, dataset, reference, table1, bars, differences):
    """Write the SVGs ``bars`` and ``differences`` of one data set.

    summary : table of `summarise`. metrics, reported : CSVs. Published are the figures of the U-Net paper: those of its
    Table 1 for the data sets ``table1``, SEG in its Table 2.
    """
    runs = read_runs(metrics)
    runs = runs[(runs["dataset"] == dataset) & runs["metric"].isin(METRICS)]
    rows = pd.read_csv(summary)
    rows = rows[(rows["dataset"] == dataset) & rows["metric"].isin(METRICS)]
    figures.save(figures.comparison_figure(rows, runs, published(pd.read_csv(reported), dataset, table1)), bars)
    best = {name: metric.best for name, metric in METRICS.items()}
    figures.save(figures.differences_figure(rows, reference, best), differences)


def published(reported, dataset, table1):
    """dict metric -> the paper's value for a data set; those of Table 1 for our objects too."""
    theirs = reported[reported["name"] == "u-net (2015)"]
    if dataset in table1:
        values = dict(theirs[theirs["table"] == 1][["metric", "value"]].to_numpy())
        return values | {metric + OF_OBJECTS: value for metric, value in values.items()}
    seg = theirs[(theirs["table"] == 2) & (theirs["metric"] == dataset)]["value"]
    return {"seg": seg.item()} if len(seg) else {}


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_comparison(
            summary=snakemake.input.summary,
            metrics=snakemake.input.metrics,
            reported=snakemake.input.reported,
            dataset=snakemake.wildcards.dataset,
            reference=snakemake.params.reference,
            table1=snakemake.params.table1,
            bars=snakemake.output.bars,
            differences=snakemake.output.differences,
        )
