"""Disks that are full or can't be written to, as real ones; paths and homes as they may be."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import ROOT

SCRIPTS = ROOT / "workflow/scripts"
JOB = """
import sys; from types import SimpleNamespace; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from unetflow import jobs
from prepare import prepare
entry = {"format": "folder", "options": {}, "voxel_size": [1, 1, 1], "unit": None, "labels": "instances"}
entry |= {"classes": None, "ignore": None, "normalisation": "auto", "split": {"method": "images", "folds": 2}}
out = Path(sys.argv[3])
with jobs.job(SimpleNamespace(rule="prepare", wildcards=[], log=[])):
    prepare(Path(sys.argv[2]), out / "volume.zarr", out / "splits.json", out / "checks.csv", entry)
"""


def data(folder, size=64):
    rng = np.random.default_rng(0)
    for name in "ab":
        labels = np.zeros((size, size), np.uint8)
        labels[2:9, 2:9], labels[20:29, 20:29] = 1, 2
        for kind, array in (("images", rng.integers(0, 255, (size, size)).astype(np.uint8)), ("labels", labels)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / kind / f"{name}.tif", array)
    return folder


def prepared(folder, out, *prefix, **variables):
    """The finished process of a job that prepares ``folder`` and writes to ``out``."""
    command = [*prefix, sys.executable, "-c", JOB, str(SCRIPTS), str(folder), str(out)]
    environment = os.environ | variables
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def mounted(options, out):
    """Command prefix that runs what follows with a small file system of its own at ``out``; skips where it can't."""
    out.mkdir()
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    script = f'mount -t tmpfs -o {options} tmpfs "{out}" && "$@"'
    if subprocess.run([*prefix, f'mount -t tmpfs tmpfs "{out}"', "_"], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: this system lets nobody mount a file system of his own")
    return [*prefix, script, "_"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("size=64k", "No space left on device; free some space"),
        ("ro", "Read-only file system; run in a folder that can be written to"),
    ],
)
def test_one_sentence_says_why_nothing_could_be_written(tmp_path, options, said):
    out = tmp_path / "out"
    done = prepared(data(tmp_path / "in", 300), out, *mounted(options, out))
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_odd_paths_and_a_home_that_cannot_be_written_to_do_no_harm(tmp_path):
    out = tmp_path / "Ergebnisse für Ä (1)"
    out.mkdir()
    done = prepared(data(tmp_path / "Zellen µ & co"), out, HOME="/proc/nobody", MPLCONFIGDIR="/proc/nobody")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in Path(out).iterdir()} == {"volume.zarr", "splits.json", "checks.csv"}
