"""Every recipe on every data set: mean and spread over folds and seeds, and what it gains over the reference."""

import pandas as pd
from unetflow import jobs
from unetflow.report.tables import by_run, paired, read_runs

COLUMNS = ["dataset", "model", "metric", "mean", "sd", "runs"]
PAIRED = ["n", "difference", "low", "high", "effect", "p"]


def summarise(metrics, table, reference):
    """Write ``table``: a row per data set, recipe and metric, the recipe ``reference`` first.

    mean, sd, runs : over folds and seeds. n, difference, low, high, effect, p : against the reference on the same folds
    and seeds (`tables.paired`); empty for the reference itself and where it was not run.
    """
    runs, rows = read_runs(metrics), []
    runs = pd.concat([runs[runs["recipe"] == reference], runs[runs["recipe"] != reference]])
    for (dataset, recipe, metric), group in runs.groupby(["dataset", "recipe", "metric"], sort=False):
        values = group["value"]
        row = dict(zip(COLUMNS, (dataset, recipe, metric, values.mean(), values.std(), len(values))))
        base = by_run(runs, dataset, reference, metric)
        if recipe != reference and len(base):
            row |= paired(base, by_run(runs, dataset, recipe, metric))
        rows.append(row)
    pd.DataFrame(rows, columns=COLUMNS + PAIRED).astype({"n": "Int64"}).to_csv(table, index=False)


if __name__ == "__main__":
    with jobs.job(snakemake):
        summarise(
            metrics=snakemake.input.metrics,
            table=snakemake.output.table,
            reference=snakemake.params.reference,
        )
