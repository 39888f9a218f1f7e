"""What was understood of every data set and volume, as a table on the terminal."""

import pandas as pd
from unetflow import jobs
from unetflow.datasets.checks import volume_findings
from unetflow.images.sources import open_with_truth


def check(tables, volumes):
    """The findings as lines of text. tables : dict data set -> path of its checks (CSV), which `prepare` wrote.

    volumes : dict volume -> what `open_source` takes for it and for its truth (or None). Raises InputError for what
    can't be predicted.
    """
    findings = {name: pd.read_csv(table).itertuples(index=False) for name, table in tables.items()}
    findings |= {name: volume_findings(open_with_truth(*entries)) for name, entries in volumes.items()}
    for name, rows in findings.items():
        yield name
        for kind, finding in rows:
            yield f"  {'!' if kind == 'suspicious' else ' '} {kind:<22}{finding}"


if __name__ == "__main__":
    with jobs.job(snakemake):
        lines = check(dict(zip(snakemake.params.datasets, snakemake.input)), snakemake.params.volumes)
        print("\n".join(["", *lines, ""]), flush=True)
