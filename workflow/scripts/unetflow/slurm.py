"""The SLURM job that this process runs in, and others of this folder; where there is no SLURM, there are none."""

import os
import socket
import subprocess
import time
from datetime import datetime

from .errors import InputError

ENDED = ("", "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")


def own_job():
    """Number of the SLURM job that this process is part of, as a string; None outside of SLURM."""
    return os.environ.get("SLURM_JOB_ID")


def node():
    """Name of the node that this process runs on."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def waited():
    """Seconds that this SLURM job spent in the queue; None outside of SLURM, or if it doesn't say."""
    if not own_job():
        return None
    try:
        submitted, started = squeue("--job", own_job(), format="%V %S").split()
        return (datetime.fromisoformat(started) - datetime.fromisoformat(submitted)).total_seconds()
    except ValueError:
        return None


def jobs_in(folder):
    """Numbers of the SLURM jobs that Snakemake submitted from ``folder`` and that haven't ended, but for our own."""
    rows = [line.split(maxsplit=1) for line in squeue("--me", format="%i %k %Z").splitlines()]
    ours = [number for number, what in rows if what.startswith("rule_") and what.endswith(f" {folder}")]
    return [number for number in ours if number != own_job()]


def cancel(job, patience=120):
    """End a SLURM job and wait until it has ended. Raises InputError if that takes more than ``patience`` seconds."""
    called("scancel", job)
    deadline = time.monotonic() + patience
    while state(job) not in ENDED:
        if time.monotonic() > deadline:
            raise InputError(
                f"SLURM job {job} of an interrupted run doesn't end; see to it (squeue --job {job}), then go on"
            )
        time.sleep(1)


def state(job):
    """State of a SLURM job; "" once it is forgotten, or where there is no SLURM; "UNKNOWN" while it doesn't answer."""
    done = called("squeue", "--noheader", "--states", "all", "--format", "%T", "--job", job)
    if done is None or "Invalid job id" in done.stderr:
        return ""
    return "UNKNOWN" if done.returncode else done.stdout.strip()


def squeue(*options, format):
    """What squeue prints; nothing where there is no SLURM."""
    done = called("squeue", "--noheader", "--format", format, *options)
    return done.stdout if done else ""


def called(*command):
    """One of SLURM's commands, finished; None where there is no SLURM."""
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError:
        return None
