"""Join tables of the same columns into one."""

import pandas as pd
from unetflow import jobs


def collect(tables, joined):
    """Concatenate CSV files in the order of their names, so that the result doesn't depend on who finished first."""
    frames = [pd.read_csv(table, dtype=str) for table in sorted(tables)]
    pd.concat(frames, ignore_index=True).to_csv(joined, index=False)


if __name__ == "__main__":
    with jobs.job(snakemake):
        collect(tables=list(snakemake.input), joined=snakemake.output[0])
