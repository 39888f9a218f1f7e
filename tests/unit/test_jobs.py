"""What all scripts share: state that outlives a kill, results that are whole or not there, sentences for mistakes."""

import json
import os
import pickle
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import unlock
from conftest import ROOT
from unetflow import files, jobs
from unetflow.errors import InputError


def test_state_outlives_a_failure_and_goes_at_success(tmp_path):
    output = tmp_path / "model"
    with pytest.raises(RuntimeError), jobs.state_folder(output, "k1") as state:
        (state / "checkpoint").write_text("half")
        raise RuntimeError
    with jobs.state_folder(output, "k1") as state:
        assert (state / "checkpoint").read_text() == "half"
    assert not list(tmp_path.iterdir())


def test_state_of_other_code_or_input_is_thrown_away(tmp_path):
    with pytest.raises(RuntimeError), jobs.state_folder(tmp_path / "model", "old") as state:
        (state / "checkpoint").write_text("half")
        raise RuntimeError
    with jobs.state_folder(tmp_path / "model", "new") as state:
        assert [f.name for f in state.iterdir()] == ["owner.json"]
        assert [f.name for f in tmp_path.iterdir()] == [".model.new"]


def test_an_orphan_that_still_writes_is_ended(tmp_path):
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from unetflow import jobs\n"
        "with jobs.state_folder(sys.argv[2], 'k'): print('in', flush=True); time.sleep(60)"
    )
    scripts = Path(jobs.__file__).parents[1]
    orphan = subprocess.Popen(
        [sys.executable, "-c", code, str(scripts), str(tmp_path / "model")], stdout=subprocess.PIPE
    )
    assert orphan.stdout.readline() == b"in\n"
    with jobs.state_folder(tmp_path / "model", "k"):
        orphan.wait(10)  # raises if it lives on
    orphan.stdout.close()


def test_what_a_snakemake_starts_is_none_at_work():
    of_a_cluster = ["python", "-m", "snakemake", "--snakefile", "Snakefile", "--mode", "remote"]
    assert not unlock.is_snakemake(of_a_cluster) and unlock.is_job(of_a_cluster)
    assert unlock.is_snakemake(["python", "/venv/bin/snakemake", "--cores", "2"])
    report = ["python", "-m", "snakemake", "results/metrics.csv", "--nolock", "--report", "r.html"]
    assert not unlock.is_snakemake(report) and unlock.is_job(report)


class EndsByItself(psutil.Process):
    """A process that is found, and is gone when it shall be killed."""

    def kill(self):
        raise psutil.NoSuchProcess(self.pid)


def owner_of(pid, **other):
    created = psutil.Process(pid).create_time()
    return {"host": socket.gethostname(), "pid": pid, "created": created, "slurm_job": None} | other


def test_an_orphan_may_end_by_itself(tmp_path, monkeypatch):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    folder = tmp_path / ".out.key"
    folder.mkdir()
    (folder / "owner.json").write_text(json.dumps(owner_of(other.pid)))
    monkeypatch.setattr(psutil, "Process", EndsByItself)
    with jobs.state_folder(tmp_path / "out", "key"):
        pass
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    monkeypatch.chdir(tmp_path)
    orphan = EndsByItself(other.pid)
    monkeypatch.setattr(unlock, "processes_here", lambda mark: [orphan] if mark is unlock.is_job else [])
    assert unlock.unlock() == 0 and not (tmp_path / ".snakemake/locks").exists()
    other.communicate(b"\n")


def test_results_are_whole_or_not_there(tmp_path):
    with pytest.raises(RuntimeError), jobs.made_whole(tmp_path / "a.zarr") as path:
        path.mkdir()
        (path / "half").write_text("x")
        raise RuntimeError
    assert not (tmp_path / "a.zarr").exists()
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr/stale").write_text("x")
    with jobs.made_whole(tmp_path / "a.zarr") as path:
        assert not path.exists(), "what the failed job left is gone"
        path.mkdir()
        (path / "whole").write_text("x")
    assert [f.name for f in (tmp_path / "a.zarr").iterdir()] == ["whole"]
    assert [f.name for f in tmp_path.iterdir()] == ["a.zarr"]


def test_fingerprints_follow_contents_not_times(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x").write_text("1")
    first = files.fingerprint(tmp_path / "d", {"a": 1})
    os.utime(tmp_path / "d/x", (1, 1))
    (tmp_path / "d/.snakemake_timestamp").touch()
    assert files.fingerprint(tmp_path / "d", {"a": 1}) == first
    assert files.fingerprint(tmp_path / "d", {"a": 2}) != first
    (tmp_path / "d/x").write_text("2")
    assert files.fingerprint(tmp_path / "d", {"a": 1}) != first


def test_contents_are_read_again_only_where_names_sizes_or_times_differ(tmp_path, monkeypatch):
    data, memory = tmp_path / "d", tmp_path / "memory.json"
    data.mkdir()
    (data / "a").write_text("1")
    first = files.known_content(data, memory)
    assert first == files.fingerprint(data)
    (data / "a").write_text("2")
    os.utime(data / "a", (1, 1))  # two writes may fall into one tick of the clock
    changed = files.known_content(data, memory)
    assert changed == files.fingerprint(data) != first
    with monkeypatch.context() as patch:
        patch.setattr(files, "checksum", None)  # a file that is read now fails
        assert files.known_content(data, memory) == changed
    os.utime(data / "a", (0, 0))
    assert files.known_content(data, memory) == changed, "only its time changed"
    memory.write_text('{"cut o')
    assert files.known_content(data, memory) == changed


def test_a_promised_gpu_that_is_missing_stops_the_run(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert jobs.device(0, threads=2) == "cpu"
    with pytest.raises(InputError, match="--resources gpu=0"):
        jobs.device(1, threads=2)


@pytest.mark.parametrize(
    ("raised", "traceback"), [("InputError('say.tif is bad; mend it')", False), ("KeyError('x')", True)]
)
def test_bad_input_ends_with_one_sentence(tmp_path, raised, traceback):
    code = (
        "import sys; from types import SimpleNamespace; sys.path.insert(0, sys.argv[1]); from unetflow import jobs\n"
        "from unetflow.errors import InputError\n"
        f"with jobs.job(SimpleNamespace(rule='prepare', wildcards=['em'], log=[sys.argv[2]])): raise {raised}"
    )
    arguments = [sys.executable, "-c", code, str(Path(jobs.__file__).parents[1]), str(tmp_path / "log")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert ("Traceback" in done.stderr) == traceback
    assert (tmp_path / "log").read_text() == done.stderr
    if not traceback:
        assert done.stderr.rstrip().endswith("prepare em: say.tif is bad; mend it") and done.stderr.count("\n") == 1


def test_progress_says_rate_and_time_left(caplog):
    caplog.set_level("INFO", "unetflow")
    progress = jobs.Progress(3, "slice", every=0)
    for done in (0, 1, 2, 3):
        progress(done, ", fine")
        time.sleep(0.01)
    said = [record.message for record in caplog.records]
    assert len(said) == 3 and re.fullmatch(r"slice 3 of 3, [\d.]+ a second, 00:00:00 left, fine", said[-1]), said
    assert 50 < float(re.search(r"([\d.]+) a second", said[-1])[1]) <= 100


def test_jobs_at_work_together_get_different_gpus(tmp_path, monkeypatch):
    """Each process holds its own; a process that was shown other GPUs is told the same one by its name."""
    script = (
        "import sys, time; sys.path.insert(0, 'workflow/scripts'); from unetflow.jobs import claim_gpu;"
        f"print(claim_gpu(2, {str(tmp_path)!r}), flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline().strip() == "0"
        assert jobs.claim_gpu(2, tmp_path) == 1
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,0")
        assert jobs.claim_gpu(2, tmp_path) == 0, "GPU 5"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        assert jobs.claim_gpu(2, tmp_path) in (0, 1), "shared, as all are held"
    finally:
        first.kill()
        first.wait()
    assert jobs.claim_gpu(1, tmp_path) == 0, "a killed job holds nothing"


def test_every_process_writes_a_journal_of_its_own(tmp_path):
    here = jobs.Journal(tmp_path / "done.jsonl")
    here.note("a", b"1")
    sent = pickle.loads(pickle.dumps(here))
    sent.home = "another-node-7"
    sent.note("b", b"2")
    assert len((tmp_path / "done.jsonl").read_text().split()) == 2, "one name, one checksum"
    again = jobs.Journal(tmp_path / "done.jsonl")
    assert again.holds("a", b"1") and again.holds("b", b"2") and not again.holds("b", b"3")


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another file system than ``tmp_path``."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("NOT TESTED: needs /dev/shm on another file system than the tests' folder")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


def test_work_is_done_on_scratch_where_there_is_one(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    (tmp_path / ".a.zarr.moving").mkdir()
    (tmp_path / ".a.zarr.moving/of an interrupted copy").touch()
    with jobs.made_whole(tmp_path / "a.zarr") as path:
        assert path.is_relative_to(elsewhere)
        (path / "0/c").mkdir(parents=True)
        (path / "0/c/0").write_bytes(b"x" * 1000)
    assert [str(f.relative_to(tmp_path)) for f in files.files_of(tmp_path)] == ["a.zarr/0/c/0"]
    with jobs.made_whole(tmp_path / "b.csv") as path:
        path.write_text("a,b")
    assert (tmp_path / "b.csv").read_text() == "a,b"
    with pytest.raises(RuntimeError), jobs.made_whole(tmp_path / "c.csv") as path:
        path.write_text("half")
        raise RuntimeError
    assert not (tmp_path / "c.csv").exists() and not list(elsewhere.iterdir())


def test_slabs_on_another_file_system_are_taken_over(tmp_path, elsewhere):
    (elsewhere / "c/0").mkdir(parents=True)
    (elsewhere / "c/0/1").write_bytes(b"shard")
    assert files.take_over(elsewhere, tmp_path / "whole") == 1
    assert (tmp_path / "whole/c/0/1").read_bytes() == b"shard"
