"""Table 1 of the paper (EM segmentation), with our rows below."""

import pandas as pd
from unetflow import jobs

MEASURES = ["warping_error", "rand_error", "pixel_error"]


def compare_with_paper(metrics, reported, table, datasets, protocols):
    """Write ``table``: name, the three errors, protocol, source; first the reported rows, then what was measured.

    Ours are means over folds and seeds of the values over all test slices of a fold. ``protocols``: data set -> text.
    """
    rows = pd.read_csv(reported).query("table == 1").pivot(index=["name", "protocol"], columns="metric", values="value")
    rows = rows.reset_index().assign(source="reported")
    ours = pd.read_csv(metrics).query("image == 'all' and metric in @MEASURES and dataset in @datasets")
    for (dataset, model), group in ours.groupby(["dataset", ours["model"].str.replace(r"-seed\d+$", "", regex=True)]):
        mean = group.groupby("metric")["value"].mean()
        count = group[["fold", "seed"]].drop_duplicates().shape[0]
        row = {"name": f"unetflow {model} ({dataset})", **mean, "source": "measured"}
        row["protocol"] = (
            f"{'one run' if count == 1 else f'mean of {count} runs (folds x seeds)'}; {protocols[dataset]}"
        )
        rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True)
    rows.reindex(columns=["name", *MEASURES, "protocol", "source"]).to_csv(table, index=False)


if __name__ == "__main__":
    with jobs.job(snakemake):
        compare_with_paper(
            metrics=snakemake.input.metrics,
            reported=snakemake.input.reported,
            table=snakemake.output.table,
            datasets=snakemake.params.datasets,
            protocols=snakemake.params.protocols,
        )
