"""What is read from SLURM's commands; that they mean it is tested on a real SLURM (tests/cluster)."""

import os

import pytest
from unetflow import slurm
from unetflow.errors import InputError


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Function that makes a command print a text."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def command(name, text, error=""):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'X'\n{text}\nX\necho '{error}' >&2; test -z '{error}'\n")
        (tmp_path / name).chmod(0o755)

    return command


def test_only_jobs_of_this_folder_that_snakemake_submitted(says, monkeypatch):
    says(
        "squeue",
        "7 rule_train_wildcards_a_0 /data/my study\n8 (null) /data/my study\n9 rule_train /data\n10 rule_x /data",
    )
    assert slurm.jobs_in("/data/my study") == ["7"] and slurm.jobs_in("/data") == ["9", "10"]
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    assert slurm.jobs_in("/data") == ["10"]


def test_waiting_is_from_submission_to_start(says, monkeypatch):
    says("squeue", "2026-11-25T01:13:16 2026-11-25T01:14:20")
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    assert slurm.waited() == 64
    says("squeue", "")
    assert slurm.waited() is None


def test_a_job_that_does_not_end_is_named(says):
    says("squeue", "RUNNING")
    says("scancel", "")
    with pytest.raises(InputError, match="SLURM job 9 of an interrupted run doesn't end"):
        slurm.cancel("9", patience=0)
    says("squeue", "", "Unable to contact slurm controller")
    with pytest.raises(InputError):
        slurm.cancel("9", patience=0)
    for text, error in (("CANCELLED", ""), ("", "Invalid job id specified")):
        says("squeue", text, error)
        slurm.cancel("9")


def test_without_slurm_there_is_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert slurm.own_job() is None and slurm.waited() is None and slurm.jobs_in("/data") == []
