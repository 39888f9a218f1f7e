"""A CSV as a small web page for the report."""

from pathlib import Path

import pandas as pd
from unetflow import jobs
from unetflow.report.pages import page as as_page


def show_table(table, page, title, wide):
    """Write ``page``, HTML without anything from outside.

    ``wide``: for tidy metrics, show the values over all slices only, a column per metric.
    """
    frame = pd.read_csv(table)
    if wide:
        ids = ["dataset", "fold", "model", "seed"]
        frame = frame[frame["image"] == "all"].pivot(index=ids, columns="metric", values="value").reset_index()
    frame.columns = [str(column).replace("_", " ") for column in frame.columns]
    html = frame.to_html(index=False, na_rep="", float_format=lambda value: f"{value:.4g}", border=0)
    Path(page).write_text(as_page(title, html))


if __name__ == "__main__":
    with jobs.job(snakemake):
        show_table(
            table=snakemake.input.table,
            page=snakemake.output.page,
            title=snakemake.params.title,
            wide=snakemake.params.wide,
        )
