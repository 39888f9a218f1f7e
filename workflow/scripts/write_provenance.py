"""Where the results come from: code, configuration, machine, versions, models."""

import json
import platform
import subprocess
from pathlib import Path

import pandas as pd
import psutil
import torch
from unetflow import files, jobs
from unetflow.report.methods import versions

NAMED = (
    "snakemake",
    "torch",
    "openvino",
    "numpy",
    "scipy",
    "scikit-image",
    "opencv-python-headless",
    "numba",
    "zarr",
    "dask",
)


def write_provenance(models, config, home, table):
    """Write ``table`` (CSV): rows (what, value).

    models : paths of the JSON of every model. config : the whole configuration, of which a hash is noted. home : folder
    of the workflow, whose commit is noted where it is a checkout.
    """
    rows = [
        ("code", commit(home)),
        ("configuration (sha256 of its JSON, 16 digits)", files.fingerprint(config)),
        ("seed", config["seed"]),
        ("processor", processor()),
        ("cores", psutil.cpu_count()),
        ("memory", f"{psutil.virtual_memory().total / 1e9:.0f} GB"),
        ("GPU", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"),
        ("system", platform.platform()),
        ("Python", platform.python_version()),
    ]
    rows += versions(NAMED).items()
    for path in models:
        known = json.loads(Path(path).read_text())
        rows.append((f"weights of {Path(path).parent}", f"sha256 {known['weights_sha256']}, seed {known['seed']}"))
    pd.DataFrame(rows, columns=["what", "value"]).to_csv(table, index=False)


def commit(home):
    """The commit of the checkout at ``home``, and whether files differ from it."""
    try:
        head, changes = (
            subprocess.run(["git", "-C", home, *command], capture_output=True, text=True, check=True).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
    return f"commit {head}{', with changes' if changes else ''}"


def processor():
    """Name of the processor, as Linux knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    with jobs.job(snakemake):
        write_provenance(
            models=snakemake.input.models,
            config=snakemake.config,
            home=Path(snakemake.scriptdir).resolve().parents[1],
            table=snakemake.output.table,
        )
