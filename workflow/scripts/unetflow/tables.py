"""Tidy tables of metrics, one row per value."""

import pandas as pd

from . import jobs

COLUMNS = ["dataset", "fold", "model", "seed", "image", "metric", "value"]


def write_metrics(rows, table):
    """Write dicts with the keys COLUMNS to the CSV ``table``, and tell those of all images together."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame.to_csv(table, index=False)
    for row in frame[frame["image"] == "all"].itertuples():
        jobs.log.info(f"{row.metric} {row.value:.6g}")
