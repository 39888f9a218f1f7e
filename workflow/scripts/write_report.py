"""Snakemake's own report of everything that the runs made, as one page that opens from disk."""

import json
import subprocess
import sys
from pathlib import Path

from unetflow import jobs


def write_report(snakefile, config, targets, page):
    """Write ``page`` (HTML) on all that leads to ``targets``, by Snakemake, which knows how each file came about."""
    with jobs.made_whole(page) as path:
        configfile = path.with_name("config.json")
        configfile.write_text(json.dumps(config))
        command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", snakefile, "--nolock", "--quiet"]
        subprocess.run([*command, "--configfile", configfile, "--report", path], check=True)


if __name__ == "__main__":
    with jobs.job(snakemake):
        write_report(
            snakefile=Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile",
            config=snakemake.config,
            targets=snakemake.input,
            page=snakemake.output.page,
        )
        jobs.log.info(f"Report: {snakemake.output.page}")
