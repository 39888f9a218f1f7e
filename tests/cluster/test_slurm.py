"""The same files from a real SLURM as from one machine, also when jobs, nodes and Snakemake are lost on the way.

Run by `make test-slurm`, which starts two nodes on this machine (and installs SLURM, if it may).
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import Pipeline, shared
from safetensors import safe_open

pytestmark = pytest.mark.slurm

COUNTED = ("sbatch", "squeue", "scancel")
# What a site sets (docs/hpc.md), and what makes a small machine do for two nodes.
SITE = {
    "default-resources": ["slurm_account=test", "slurm_partition=cpu", "mem_mb=attempt*1500", "runtime=20"],
    "set-resources": ["train:mem_mb=2000", "train:runtime=20"],
    "set-scatter": ["slab=3"],
    "set-threads": ["train=1", "predict=1", "predict_slab=1", "check_tiling=1", "profile_model=1"],
    "latency-wait": ["20"],
    "slurm-init-seconds-before-status-checks": ["9"],
}


class Cluster:
    """Two nodes of a real SLURM on this machine; ``calls`` counts how often its commands are called."""

    def __init__(self, folder):
        self.script, self.folder, self.started = shared("slurm", "start-test-cluster.sh"), folder, []
        subprocess.run(["bash", self.script], check=True)
        exports = subprocess.run(["bash", self.script, "--env"], check=True, capture_output=True, text=True).stdout
        settings = dict(shlex.split(line)[1].split("=", 1) for line in exports.splitlines())
        self.path = settings.pop("PATH", "").replace("$PATH", "") + os.environ["PATH"]
        self.environment = {**os.environ, **settings, "PATH": f"{self.counters()}:{self.path}"}

    def counters(self):
        """A folder of commands that note in calls.txt that they were called, and call the real ones."""
        place = self.folder / "bin"
        place.mkdir(parents=True)
        for name in COUNTED:
            (place / name).write_text(
                f'#!/bin/sh\necho {name} >> {self.folder}/calls.txt\nPATH={self.path} exec {name} "$@"\n'
            )
            (place / name).chmod(0o755)
        return place

    def calls(self):
        called = (self.folder / "calls.txt").read_text().split()
        return {name: called.count(name) for name in COUNTED}

    def __call__(self, command, check=True):
        """Output of one of SLURM's commands."""
        environment = {**self.environment, "PATH": self.path}
        return subprocess.run(shlex.split(command), env=environment, check=check, capture_output=True, text=True).stdout

    def jobs(self):
        """Number -> what SLURM's running jobs are for (rule and wildcards, or group)."""
        lines = self("squeue --noheader --states running --format '%i %k'").splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def lose_node_of(self, job):
        """Take the node of a running job down, and up again after some seconds."""
        node = self(f"squeue --noheader --job {job} --format %N").strip()
        self(f"scontrol update nodename={node} state=down reason=test")
        time.sleep(3)
        self(f"scontrol update nodename={node} state=resume", check=False)  # it may have come back by itself

    def clear(self):
        """End what a failed test left behind."""
        for process in self.started:
            process.kill()
        self("scancel --me")

    def stop(self):
        subprocess.run(["bash", self.script.with_name("stop-test-cluster.sh")], check=False)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.stop()


@pytest.fixture(autouse=True)
def cleared(cluster):
    yield
    cluster.clear()


class OnCluster(Pipeline):
    """Snakemake on a copy of this repository's files, its jobs on the cluster."""

    def __init__(self, folder, cluster, *configfiles):
        super().__init__(folder, *configfiles)
        self.cluster = cluster

    def command(self, *targets, gpu=0, **site):
        command = [str(Path(sys.executable).with_name("snakemake")), *targets, "--workflow-profile", "profiles/slurm"]
        for name, values in (SITE | {key.replace("_", "-"): value for key, value in site.items()}).items():
            command += [f"--{name}", *values]
        return [*command, "--resources", f"gpu={gpu}", "--configfile", *self.configfiles]

    def start(self, *targets, **options):
        """Clear what a killed run left, then Snakemake, as `make run` does; returns its process."""
        unlock = [sys.executable, "workflow/scripts/unlock.py"]
        with open(self.folder / "run.log", "a") as log:
            where = {"cwd": self.folder, "env": self.cluster.environment, "stdout": log, "stderr": log}
            subprocess.run(unlock, check=True, **where)
            self.cluster.started.append(subprocess.Popen(self.command(*targets, **options), **where))
        return self.cluster.started[-1]

    def said(self):
        return (self.folder / "run.log").read_text()

    def finish(self, *targets, **options):
        assert self.start(*targets, **options).wait() == 0, self.said()[-6000:]

    def logs(self):
        """What all jobs said, also those that failed."""
        files = sorted((self.folder / "logs/slurm").rglob("*.log"), key=lambda file: file.stat().st_mtime)
        return [file.read_text() for file in files]

    def report(self, seconds):
        """Print what the scheduler had to do."""
        most = max(len(list(folder.iterdir())) for folder in self.folder.rglob("*") if folder.is_dir())
        jobs = self.said().count("has been submitted")
        print(f"\n{seconds:.0f} s, {self.cluster.calls()} calls, {jobs} SLURM jobs, {most} files in a folder at most")


def nodes_of(logs):
    return {node for log in logs for node in re.findall(r"SLURM job \d+ on (\w+),", log)}


SMALLEST = ("results/metrics.csv", "results/volumes/tiny_volume/tiny/metrics.csv")


def test_two_nodes_make_the_same_files_as_one_machine(cluster, finished, tmp_path):
    pipeline, began = OnCluster(tmp_path / "run", cluster, "tests/config.yaml"), time.monotonic()
    pipeline.finish(*SMALLEST)
    pipeline.report(time.monotonic() - began)
    made, expected = pipeline.contents(), finished.contents()
    assert set(SMALLEST) <= set(made) and made == {path: expected[path] for path in made}
    assert nodes_of(pipeline.logs()) == {"tc1", "tc2"}
    assert cluster.calls()["sbatch"] == pipeline.said().count("has been submitted") < 20
    planned = json.loads((pipeline.folder / "results/volumes/tiny_volume/tiny/plan.json").read_text())
    (asked,) = set(re.findall(r"rule predict_slab:.*? mem_mb=(\d+)", pipeline.said(), re.S))
    assert int(asked) == 1500 + planned["bytes_of_memory"] // 10**6
    assert list((pipeline.folder / "logs/slurm/rule_train/tiny_em_0_tiny").glob("*.log"))


def test_a_gpu_is_asked_for_where_one_is_promised(cluster, tmp_path):
    """The test cluster's GPU is only counted, so the job gets there and says what is missing."""
    pipeline = OnCluster(tmp_path / "run", cluster, "tests/config.yaml")
    process = pipeline.start("results/models/tiny/speed.json", gpu=1, retries=["0"])
    assert process.wait() == 1
    (log,) = pipeline.logs()
    assert nodes_of([log]) == {"tc1"} and "a GPU was promised" in log and "Traceback" not in log


def test_a_job_out_of_memory_gets_more(cluster, finished, tmp_path):
    pipeline = OnCluster(tmp_path / "run", cluster, "tests/config.yaml")
    memory = ["slurm_account=test", "slurm_partition=cpu", "mem_mb=100*attempt**3", "runtime=20"]
    pipeline.finish("results/tiny_em/volume.zarr", default_resources=memory)
    assert "Trying to restart job" in pipeline.said()
    made, expected = pipeline.contents(), finished.contents()
    assert "results/tiny_em/splits.json" in made and made == {path: expected[path] for path in made}


def test_a_scheduler_without_a_plugin(cluster, finished, tmp_path):
    """The generic profile, whose example is SLURM's commands."""
    pipeline = OnCluster(tmp_path / "run", cluster, "tests/config.yaml")
    target, command = "results/tiny_em/0/targets/paper.zarr", [str(Path(sys.executable).with_name("snakemake"))]
    command += [target, "--workflow-profile", "profiles/cluster-generic", "--seconds-between-status-checks", "1"]
    command += ["--resources", "gpu=0", "--configfile", *pipeline.configfiles]
    done = subprocess.run(command, cwd=pipeline.folder, env=cluster.environment, check=False)
    assert done.returncode == 0
    made, expected = pipeline.contents(), finished.contents()
    assert f"{target}/zarr.json" in made and made == {path: expected[path] for path in made}
    assert len(list((pipeline.folder / "logs/cluster").glob("weight_map-*.log"))) == 1


DASK = {
    "DASK_UNETFLOW__WORKERS": "slurm",
    "DASK_UNETFLOW__JOBS": "2",
    "DASK_JOBQUEUE__SLURM__QUEUE": "cpu",
    "DASK_JOBQUEUE__SLURM__ACCOUNT": "test",
    "DASK_JOBQUEUE__SLURM__CORES": "1",
    "DASK_JOBQUEUE__SLURM__MEMORY": "1GB",
    "DASK_JOBQUEUE__SLURM__INTERFACE": "lo",
    "DASK_JOBQUEUE__SLURM__SCHEDULER_OPTIONS": "{'dashboard_address': None, 'host': '127.0.0.1'}",
}


def test_dask_workers_in_slurm_jobs_make_the_same_objects(cluster, finished, tmp_path, monkeypatch):
    """Snakemake runs here; what it does block by block is done in two SLURM jobs."""
    pipeline = Pipeline(tmp_path / "run", "tests/config.yaml")
    target = "results/volumes/tiny_volume/tiny/segmentation.zarr"
    pipeline.run(target, "--until", "stitch")
    before = cluster.calls()["sbatch"]
    for name, value in (cluster.environment | DASK).items():
        monkeypatch.setenv(name, value)
    pipeline.run("results/volumes/tiny_volume/tiny/metrics.csv")
    assert cluster.calls()["sbatch"] == before + 4, "two jobs for each of two rules"
    made, expected = pipeline.contents(), finished.contents()
    assert f"{target}/zarr.json" in made and made == {path: expected[path] for path in made}
    assert not cluster.jobs(), "no worker stays behind"


# Training takes some minutes, so that much can happen to it.
LONG = """
training: {tiny: {steps: 10000, checkpoint_every: 50, validate_every: 10000}}
augmentations: {tiny: {samples: 5, samples_per_chunk: 5, input: 140}}
models: {tiny: {options: {width: 8, depth: 2}}}
runs: [{dataset: tiny_em, models: [tiny], folds: [0]}]
"""
TRAINED = "results/tiny_em/0/tiny/model.safetensors"


class Training:
    """The long training on the cluster, and what can be done to it while it is at work."""

    def __init__(self, pipeline):
        self.pipeline, self.cluster = pipeline, pipeline.cluster
        self.process, self.saved = pipeline.start(TRAINED), []

    def wait(self):
        """Wait until a job is at it and a step was saved since the last time; notes the step and the SLURM job.

        SLURM keeps a job back for two minutes that has lost its node, and Snakemake looks less and less often.
        """
        pattern, deadline = str(Path(TRAINED).parent / ".model.safetensors.*/checkpoint.safetensors"), time.time() + 400
        before, jobs = self.saved[-1] if self.saved else 0, []
        while not jobs or self.step(pattern) <= before:
            assert self.process.poll() is None and time.time() < deadline, self.pipeline.said()[-3000:]
            assert self.step(pattern) >= before, "training began anew"
            time.sleep(0.2)
            jobs = [number for number, what in self.cluster.jobs().items() if "rule_train" in what]
        self.job, self.saved = jobs[0], [*self.saved, self.step(pattern)]

    def step(self, pattern):
        for file in self.pipeline.folder.glob(pattern):
            with safe_open(file, "pt") as checkpoint:
                return int(checkpoint.metadata()["step"])
        return 0


def test_training_goes_on_whatever_is_lost(cluster, tmp_path):
    """A job cancelled, a node down, time up, Snakemake killed: the same bytes, and no saved step done twice."""
    (tmp_path / "long.yaml").write_text(LONG)
    files = ("tests/config.yaml", str(tmp_path / "long.yaml"))
    local = Pipeline(tmp_path / "local", *files)
    local.run(TRAINED)
    training = Training(OnCluster(tmp_path / "run", cluster, *files))
    training.wait()
    cluster(f"scancel {training.job}")
    training.wait()
    cluster.lose_node_of(training.job)
    training.wait()
    cluster(f"scontrol update jobid={training.job} timelimit=1")
    while training.job in cluster.jobs():
        time.sleep(1)
    training.wait()
    training.process.send_signal(signal.SIGKILL)
    training.process.wait()
    assert training.job in cluster.jobs(), "SLURM's jobs live on"
    training.pipeline.finish(TRAINED)
    (last,) = re.findall(r"going on from step (\d+)", training.pipeline.logs()[-1])
    print(f"\nlost after steps {training.saved}, in the end gone on from step {last}")
    assert int(last) >= training.saved[-1]
    made, expected = training.pipeline.contents(), local.contents()
    assert TRAINED in made and made == {path: expected[path] for path in made}


def test_the_default_experiment_while_a_node_is_lost(cluster, tmp_path):
    """All of it, report included, beside a run on one machine."""
    local, pipeline = Pipeline(tmp_path / "local"), OnCluster(tmp_path / "run", cluster, "config.yaml")
    local.run()
    began, process = time.monotonic(), pipeline.start()
    while not (trainings := [job for job, what in cluster.jobs().items() if "rule_train" in what]):
        assert process.poll() is None, pipeline.said()[-3000:]
        time.sleep(1)
    time.sleep(20)
    cluster.lose_node_of(trainings[0])
    assert process.wait() == 0, pipeline.said()[-6000:]
    pipeline.report(time.monotonic() - began)
    assert pipeline.contents() == local.contents()
    assert nodes_of(pipeline.logs()) == {"tc1", "tc2"}
    runtime = pd.read_csv(pipeline.folder / "results/runtime.csv")
    assert (runtime["queue_s"] >= 0).all()
