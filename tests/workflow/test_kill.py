"""Law 2: kill -9 anything at any moment, then the same command; and law 3: the same bytes for any number of jobs.

A kill or Ctrl-C at chosen moments, and a few kills at random ones; `make test-kill N=50` (KILLS=50) tries that many,
and each way to end a run at each of the chosen moments.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import Pipeline

RESULTS = "results/tiny_em/0"
KILLS = int(os.environ.get("KILLS", "0"))
# The smallest experiment with one network only: every kind of job that keeps work in progress is there.
ONE_NETWORK = {
    "runs": [{"dataset": "tiny_em", "models": ["tiny"], "folds": [0], "volumes": ["tiny_volume"]}],
    "report": {"reference": None, "claims": []},
}
# A file that is there only while the job is at work.
MOMENTS = {
    "augment": f"{RESULTS}/chunks/tiny/.*.zarr.partial/*.zarr/image",
    "train": f"{RESULTS}/tiny/.model.safetensors.*/checkpoint.safetensors",
    "predict_slab": "results/volumes/tiny_volume/tiny/slabs/.*/done.jsonl",
    "predict": f"{RESULTS}/tiny/.prediction.zarr.*/done.jsonl",
    "segment_volume": "results/volumes/tiny_volume/tiny/.segmentation.zarr.*/objects_object.jsonl",
    "write_report": "results/.report.html.*/config.json",
}


def experiment(folder, cores=2):
    """A copy of the pipeline in ``folder`` with one network to train."""
    pipeline = Pipeline(folder, "tests/config.yaml", "one_network.json", cores=cores)
    (pipeline.folder / "one_network.json").write_text(json.dumps(ONE_NETWORK))
    return pipeline


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Bytes of every result of a run that nobody kills."""
    pipeline = experiment(tmp_path_factory.mktemp("undisturbed"))
    pipeline.run()
    return pipeline.contents()


def unlock(pipeline):
    """Clear a dead run's lock, as `make run` does before Snakemake."""
    command = [sys.executable, "workflow/scripts/unlock.py"]
    unlocked = subprocess.run(command, cwd=pipeline.folder, check=False, capture_output=True, text=True)
    assert unlocked.returncode == 0, unlocked.stdout + unlocked.stderr


def start(pipeline):
    with open(pipeline.folder / "run.log", "a") as log:
        return subprocess.Popen(pipeline.command(), cwd=pipeline.folder, stdout=log, stderr=log, start_new_session=True)


def kill_all(process, pipeline):
    """Kill Snakemake and with it all its jobs."""
    children = psutil.Process(process.pid).children(recursive=True)
    for child in [process, *children]:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    unlock(pipeline)


def kill_snakemake(process, pipeline):
    """Kill Snakemake alone; its jobs go on without it."""
    process.kill()
    process.wait()
    unlock(pipeline)


def press_ctrl_c(process, pipeline):
    """Ctrl-C reaches Snakemake and its jobs alike; it is said how to go on, and nothing is to be unlocked."""
    before = len(log_of(pipeline))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    said = log_of(pipeline)[before:]
    assert "interrupted; the same command goes on from what is finished" in said, said[-3000:]
    assert "Traceback" not in said, said[-3000:]
    assert json.loads((pipeline.folder / "results/run.json").read_text())["status"] == "stopped"
    assert not list(pipeline.folder.glob(".snakemake/locks/*"))


WAYS = (kill_snakemake, press_ctrl_c, kill_all)


def log_of(pipeline):
    return (pipeline.folder / "run.log").read_text()


def wait_for(patterns, pipeline, process):
    """Name of the first of ``patterns`` (name -> pattern) that a file matches; None if the run ends before."""
    while process.poll() is None:
        for name, pattern in patterns.items():
            if next(pipeline.folder.glob(pattern), None):
                return name
        time.sleep(0.001)
    return None


def finish(pipeline):
    process = start(pipeline)
    assert process.wait() == 0, log_of(pipeline)[-6000:]


@pytest.mark.parametrize("first", range(len(WAYS)) if KILLS else [0])
def test_ended_at_work(undisturbed, tmp_path, first):
    """In the middle of each of these jobs the run is ended, in one way after the other, and begun anew."""
    pipeline = experiment(tmp_path / "ended", cores=1)
    awaited = dict(MOMENTS)
    while awaited:
        process = start(pipeline)
        moment = wait_for(awaited, pipeline, process)
        assert moment, f"never at {list(awaited)}: {log_of(pipeline)[-3000:]}"
        WAYS[(list(MOMENTS).index(moment) + first) % len(WAYS)](process, pipeline)
        del awaited[moment]
    finish(pipeline)
    assert pipeline.contents() == undisturbed
    assert (pipeline.folder / "results/report.html").read_text().rstrip().endswith("</html>")
    assert json.loads((pipeline.folder / "results/run.json").read_text())["status"] == "finished"
    assert "going on from step" in (pipeline.folder / "logs/train/tiny_em/0/tiny.log").read_text()


def test_random_kills(undisturbed, tmp_path):
    """Random processes of the run, at random moments."""
    kills = KILLS or 2
    rng, done = random.Random(int(os.environ.get("KILL_SEED", "0"))), 0
    for attempt in range(10 * kills):
        pipeline = experiment(tmp_path / str(attempt))
        while done < kills:
            process = start(pipeline)
            deadline = time.monotonic() + rng.uniform(3, 40)
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            if process.poll() is not None and process.returncode == 0:
                break
            if process.poll() is None:
                rng.choice((kill_all, kill_snakemake))(process, pipeline)
                done += 1
                print(f"kill {done} of {kills}", flush=True)
        finish(pipeline)
        assert pipeline.contents() == undisturbed
        if done == kills:
            return
