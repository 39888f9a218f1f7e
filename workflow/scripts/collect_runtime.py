"""Time, memory, GPU time and wait in the queue of every job, from Snakemake's benchmark files and the jobs' logs."""

import json
import re
from itertools import chain
from pathlib import Path

import pandas as pd
from unetflow import jobs

COLUMNS = ["rule", "dataset", "fold", "model", "job", "wall_s", "peak_rss_mb", "gpu_s", "queue_s"]
QUEUED = re.compile(r"SLURM job \S+ on \S+, after ([\d.]+) s in the queue")


def collect_runtime(rows, table):
    """Write ``table``, a row per job. Each of ``rows`` has rule, dataset, fold, model, job, the path of its benchmark
    file and, where a GPU may have been used, of the file that names the device. A job "*" is all slabs of a volume."""
    records = []
    for row in chain.from_iterable(slabs(row) if row["job"] == "*" else [row] for row in rows):
        measured = pd.read_csv(row["benchmark"], sep="\t", na_values="-").mean(numeric_only=True)
        gpu = measured["s"] if device_of(row.get("device_file")) == "cuda" else None
        known = {"wall_s": measured["s"], "peak_rss_mb": measured.get("max_rss"), "gpu_s": gpu}
        records.append({**row, **known, "queue_s": queued(row["benchmark"])})
    pd.DataFrame(records, columns=COLUMNS).to_csv(table, index=False)


def slabs(row):
    """A row for each slab of the volume's last prediction; earlier ones may have had another number of slabs."""
    files = {file: file.stat().st_mtime for file in Path(row["benchmark"]).parent.glob("*-of-*.tsv")}
    count = max(files, key=files.get).stem.split("-of-")[1]
    names = [f"{number}-of-{count}" for number in range(1, int(count) + 1)]
    return [row | {"job": name, "benchmark": Path(row["benchmark"]).with_name(f"{name}.tsv")} for name in names]


def queued(benchmark):
    """Seconds that the SLURM job waited in which a job ran (several jobs may share one); None for other jobs."""
    log = Path("logs", Path(benchmark).relative_to("benchmarks/jobs")).with_suffix(".log")
    found = QUEUED.search(log.read_text()) if log.is_file() else None
    return float(found[1]) if found else None


def device_of(path):
    """The device noted in a model's JSON or in the attributes of a Zarr group; None without a path."""
    if path is None:
        return None
    noted = json.loads(Path(path).read_text())
    return noted.get("device") or noted.get("attributes", {}).get("unetflow", {}).get("device")


if __name__ == "__main__":
    with jobs.job(snakemake):
        collect_runtime(rows=snakemake.params.rows, table=snakemake.output[0])
