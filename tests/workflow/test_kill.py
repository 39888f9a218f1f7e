"""Law 2: kill -9 anything at any moment, then the same command; and law 3: the same bytes for any number of jobs.

Kills at chosen moments, and a few at random ones; `make test-kill N=50` (KILLS=50) tries that many.
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
    "segment_volume": "results/volumes/tiny_volume/tiny/.segmentation.zarr.*/objects.jsonl",
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


def start(pipeline, *targets):
    """What `make run` does: clear a dead run's lock, then Snakemake, for everything or these ``targets``."""
    unlock = [sys.executable, "workflow/scripts/unlock.py"]
    unlocked = subprocess.run(unlock, cwd=pipeline.folder, check=False, capture_output=True, text=True)
    assert unlocked.returncode == 0, unlocked.stdout + unlocked.stderr
    with open(pipeline.folder / "run.log", "a") as log:
        return subprocess.Popen(pipeline.command(*targets), cwd=pipeline.folder, stdout=log, stderr=log)


def kill(process, everything):
    """Kill Snakemake, and with it all its jobs or none of them."""
    children = psutil.Process(process.pid).children(recursive=True) if everything else []
    process.send_signal(signal.SIGKILL)
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def wait_for(patterns, pipeline, process):
    """Name of the first of ``patterns`` (name -> pattern) that a file matches; None if the run ends before."""
    while process.poll() is None:
        for name, pattern in patterns.items():
            if next(pipeline.folder.glob(pattern), None):
                return name
        time.sleep(0.001)
    return None


def finish(pipeline, *targets):
    process = start(pipeline, *targets)
    assert process.wait() == 0, (pipeline.folder / "run.log").read_text()[-6000:]


def killed_at(moments, pipeline, everything, *targets):
    """A run for ``targets`` that is killed in the middle of each of these jobs and begun anew, until it is finished."""
    awaited = dict(moments)
    while awaited:
        process = start(pipeline, *targets)
        moment = wait_for(awaited, pipeline, process)
        assert moment, f"never at {list(awaited)}: " + (pipeline.folder / "run.log").read_text()[-3000:]
        kill(process, everything)
        del awaited[moment]
    finish(pipeline, *targets)


def same(made, undisturbed, least):
    """Whether ``made`` has at least the file ``least``, and all bytes are those of the undisturbed run."""
    return least in made and made == {path: undisturbed[path] for path in made}


def test_kills_at_work(undisturbed, tmp_path):
    """Snakemake is killed in the middle of each of these jobs, which die with it."""
    pipeline = experiment(tmp_path / "killed", cores=1)
    killed_at(MOMENTS, pipeline, True)
    assert pipeline.contents() == undisturbed
    assert (pipeline.folder / "results/report.html").read_text().rstrip().endswith("</html>")


def test_orphans(undisturbed, tmp_path):
    """The same, while the jobs go on without Snakemake; up to the metrics."""
    pipeline, metrics = experiment(tmp_path / "killed", cores=1), "results/metrics.csv"
    killed_at({name: at for name, at in MOMENTS.items() if name != "write_report"}, pipeline, False, metrics)
    assert same(pipeline.contents(), undisturbed, metrics)


def test_random_kills(undisturbed, tmp_path):
    """Random processes of the run, at random moments."""
    kills = int(os.environ.get("KILLS", "2"))
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
                kill(process, everything=rng.random() < 0.5)
                done += 1
                print(f"kill {done} of {kills}", flush=True)
        finish(pipeline)
        assert pipeline.contents() == undisturbed
        if done == kills:
            return


def test_ctrl_c_leaves_no_lock_and_says_how_to_go_on(undisturbed, tmp_path):
    """Ctrl-C reaches Snakemake and its jobs alike; the same command goes on, without any unlocking."""
    pipeline = experiment(tmp_path / "interrupted", cores=1)
    log = pipeline.folder / "run.log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            pipeline.command(), cwd=pipeline.folder, stdout=file, stderr=file, start_new_session=True
        )
    assert wait_for({"train": MOMENTS["train"]}, pipeline, process), log.read_text()[-3000:]
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    said = log.read_text()
    assert "interrupted; the same command goes on from what is finished" in said, said[-3000:]
    assert "Traceback" not in said, said[-3000:]
    assert json.loads((pipeline.folder / "results/run.json").read_text())["status"] == "stopped"
    metrics = f"{RESULTS}/tiny/metrics.csv"
    pipeline.run(metrics)
    assert "going on from step" in (pipeline.folder / "logs/train/tiny_em/0/tiny.log").read_text() + said
    assert json.loads((pipeline.folder / "results/run.json").read_text())["status"] == "finished"
    assert same(pipeline.contents(), undisturbed, metrics)
