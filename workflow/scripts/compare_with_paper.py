"""A table of the paper with our rows below."""

import pandas as pd
from unetflow import jobs
from unetflow.metrics.registry import OF_OBJECTS
from unetflow.report.tables import read_runs

ERRORS = ["warping_error", "rand_error", "pixel_error"]


def table1(metrics, reported, table, datasets, protocols):
    """Write ``table`` (EM segmentation): name, the three errors, protocol, source; reported rows, then measured ones.

    Ours are means over folds and seeds of the values over all test slices of a fold, of probabilities and, where they
    were asked for, of the objects cut from them. ``protocols``: data set -> text.
    """
    runs = read_runs(metrics).query("dataset in @datasets")
    rows = []
    for (dataset, recipe), of_recipe in runs.groupby(["dataset", "recipe"], sort=False):
        for of, ending in (("", ""), ("objects of ", OF_OBJECTS)):
            ours = of_recipe[of_recipe["metric"].isin([name + ending for name in ERRORS])]
            if len(ours):
                means = ours.groupby(ours["metric"].str.removesuffix(ending))["value"].mean()
                rows.append({"name": f"{of}unetflow {recipe} ({dataset})", **means})
                rows[-1]["protocol"] = f"{count(ours)}; {protocols[dataset]}"
    write(table, reported, 1, rows, ERRORS)


def table2(metrics, reported, table, datasets, protocols):
    """Write ``table`` (cell tracking), as `table1` does, with SEG in a column for each of ``datasets``."""
    ours = read_runs(metrics).query("metric == 'seg' and dataset in @datasets")
    rows = []
    for recipe, group in ours.groupby("recipe", sort=False):
        rows.append({"name": f"unetflow {recipe}", **group.groupby("dataset")["value"].mean()})
        told = [f"{d}: {count(one)}, {protocols[d]}" for d, one in group.groupby("dataset", sort=False)]
        rows[-1]["protocol"] = "; ".join(told)
    write(table, reported, 2, rows, datasets)


def count(group):
    """How many runs a mean is over, in words."""
    runs = group[["fold", "seed"]].drop_duplicates().shape[0]
    return "one run" if runs == 1 else f"mean of {runs} runs (folds x seeds)"


def write(table, reported, number, rows, columns):
    """Write the reported rows of the table ``number``, in the paper's order, and below them ``rows`` (dicts)."""
    theirs = pd.read_csv(reported).query("table == @number")
    order = theirs["name"].unique()
    theirs = theirs.pivot(index=["name", "protocol"], columns="metric", values="value").reset_index()
    theirs = theirs.set_index("name").loc[order].reset_index()
    joined = pd.concat([theirs.assign(source="reported"), pd.DataFrame(rows).assign(source="measured")])
    joined.reindex(columns=["name", *columns, "protocol", "source"]).to_csv(table, index=False)


TABLES = {"table1_em": table1, "table2_ctc": table2}

if __name__ == "__main__":
    with jobs.job(snakemake):
        TABLES[snakemake.wildcards.paper](
            metrics=snakemake.input.metrics,
            reported=snakemake.input.reported,
            table=snakemake.output.table,
            datasets=snakemake.params.datasets,
            protocols=snakemake.params.protocols,
        )
