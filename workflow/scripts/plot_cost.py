"""What training time buys on one data set: every run's metrics against the minutes that its training took."""

import pandas as pd
from unetflow import jobs
from unetflow.experiment.names import recipe_of
from unetflow.metrics.registry import METRICS
from unetflow.report import figures


def plot_cost(metrics, runtime, members, dataset, figure):
    """Write an SVG: a panel per metric, a dot per fold and seed.

    metrics, runtime : CSVs. members : dict recipe -> [fold (None: its own), model] of the members of an ensemble, whose
    times are added up; empty if it is none.
    """
    values = pd.read_csv(metrics, dtype={"fold": str, "image": str}).query("image == 'all'")
    values = values[(values["dataset"] == dataset) & values["metric"].isin(METRICS)]
    trained = pd.read_csv(runtime, dtype={"fold": str}).query("rule == 'train'")
    device = "GPU" if trained["gpu_s"].notna().any() else "CPU"
    figures.save(figures.cost_figure(with_minutes(values, trained, members), device), figure)


def with_minutes(values, trained, members):
    """``values`` (rows of metrics) with columns recipe and minutes, after the rows ``trained`` of the runtime table."""
    seconds = trained.set_index(["dataset", "fold", "model"])["wall_s"]

    def minutes(row):
        trainings = members[recipe_of(row.model)] or [(None, row.model)]
        return sum(seconds[row.dataset, row.fold if fold is None else str(fold), name] for fold, name in trainings) / 60

    return values.assign(recipe=values["model"].map(recipe_of), minutes=[minutes(row) for row in values.itertuples()])


if __name__ == "__main__":
    with jobs.job(snakemake):
        plot_cost(
            metrics=snakemake.input.metrics,
            runtime=snakemake.input.runtime,
            members=snakemake.params.members,
            dataset=snakemake.wildcards.dataset,
            figure=snakemake.output.figure,
        )
