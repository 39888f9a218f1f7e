"""Clear what a killed run left behind: Snakemake's lock and jobs that live on. `make run` calls it first.

A killed Snakemake can't remove its lock, and its jobs go on without it. Nothing is touched while a Snakemake is at
work in this folder.
"""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import psutil
from unetflow import slurm


def processes_here(mark):
    """Processes of this user, other than this one, that work in this folder and have ``mark`` in their command."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.cwd() == os.getcwd() and mark(process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def is_snakemake(command):
    return any(Path(part).name == "snakemake" for part in command[:3]) and not is_job(command)


def is_job(command):
    """Whether this is what a Snakemake started: a script, another Snakemake for a cluster's job or for the report."""
    words = set(command)
    snakemake = {"--report", "--nolock"} <= words or {"--mode", "remote"} <= words
    return snakemake or any(".snakemake/scripts/" in part for part in command)


def unlock():
    """Returns an exit code: 1 if a Snakemake is at work here."""
    locks = Path(".snakemake/locks")
    if not locks.is_dir() or not any(locks.iterdir()):
        return 0
    if running := processes_here(is_snakemake):
        print(f"Snakemake (process {running[0].pid}) is at work in this folder; wait for it, or stop it with Ctrl-C.")
        return 1
    for job in slurm.jobs_in(os.getcwd()):
        print(f"Cancelling SLURM job {job}, left over from an interrupted run.")
        slurm.cancel(job)
    for orphan in processes_here(is_job):
        print(f"Ending job {orphan.pid}, left over from an interrupted run.")
        with suppress(psutil.NoSuchProcess):  # it may end by itself at any moment
            orphan.kill()
            orphan.wait(30)
    shutil.rmtree(locks)
    print("Cleared the lock of an interrupted run; what it had finished is kept.")
    return 0


if __name__ == "__main__":
    sys.exit(unlock())
