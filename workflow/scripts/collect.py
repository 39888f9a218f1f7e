"""Join tables of the same columns into one."""

import pandas as pd
from unetflow import jobs


def collect(tables, joined, columns):
    """Concatenate CSV files in the order of their names, so that the result doesn't depend on who finished first.

    columns : of all of them; the header where there are no tables.
    """
    frames = [pd.read_csv(table, dtype=str) for table in sorted(tables)]
    pd.concat([pd.DataFrame(columns=columns), *frames], ignore_index=True).to_csv(joined, index=False)


if __name__ == "__main__":
    with jobs.job(snakemake):
        collect(tables=list(snakemake.input), joined=snakemake.output[0], columns=snakemake.params.columns)
