"""results/run.json: how the last run ended, and what there is."""

import csv
import json
from datetime import datetime
from pathlib import Path

from ..files import fingerprint, write_atomically

RESULTS = Path("results")


def summary(status, config, log):
    """Write results/run.json, and return what it holds; None, and nothing is written, before there are any results.

    status : "finished" or "stopped". log : paths of Snakemake's own logs.
    """
    if not RESULTS.is_dir():
        return None
    jobs = table("runtime.csv")
    note = {
        "status": status,
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "log": log,
        "configuration": fingerprint(config),
        "seed": config["seed"],
        "report": "results/report.html" if (RESULTS / "report.html").is_file() else None,
        "models": sorted(str(path) for path in RESULTS.glob("*/*/*/model.safetensors")),
        "jobs": len(jobs),
        "hours_of_jobs": round(sum(float(row["wall_s"] or 0) for row in jobs) / 3600, 3),
        "peak_rss_mb": max((float(row["peak_rss_mb"] or 0) for row in jobs), default=None),
        "metrics": [row for row in table("metrics.csv") if row["image"] == "all"],
    }
    write_atomically(RESULTS / "run.json", json.dumps(note, indent=1) + "\n")
    return note


def table(name):
    """Rows of a CSV of the results as dicts; none if it isn't there."""
    path = RESULTS / name
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
