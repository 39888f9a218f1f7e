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
    try:
        submitted, started = squeue("--job", own_job(), format="%V %S").split()
        return (datetime.fromisoformat(started) - datetime.fromisoformat(submitted)).total_seconds()
    except (TypeError, ValueError):
        return None


def jobs_in(folder):
    """Numbers of this user's SLURM jobs that were submitted from ``folder`` and haven't ended."""
    lines = squeue("--me", format="%i %Z").splitlines()
    return [number for number, place in (line.split(maxsplit=1) for line in lines) if place == str(folder)]


def cancel(job, patience=120):
    """End a SLURM job and wait until it has ended. Raises InputError if that takes more than ``patience`` seconds."""
    subprocess.run(["scancel", job], check=False, capture_output=True)
    deadline = time.monotonic() + patience
    while squeue("--job", job, "--states", "all", format="%T").strip() not in ENDED:
        if time.monotonic() > deadline:
            raise InputError(
                f"SLURM job {job} of an interrupted run doesn't end; see to it (squeue --job {job}), then go on"
            )
        time.sleep(1)


def squeue(*options, format):
    """What squeue prints; nothing where it can't be called, or knows no such job any more."""
    try:
        command = ["squeue", "--noheader", "--format", format, *options]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout
    except (OSError, TypeError):
        return ""
