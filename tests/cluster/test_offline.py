"""An installation for compute nodes without any network, from wheels gathered elsewhere."""

import shutil
import subprocess

import pytest
from conftest import ROOT, Pipeline, without_network

pytestmark = pytest.mark.slurm


def test_an_installation_without_a_network_computes(finished, tmp_path):
    if not without_network():
        pytest.skip("NOT TESTED: this system does not let a process give up its network (unshare --net)")
    pipeline = Pipeline(tmp_path / "run", "tests/config.yaml")
    shutil.copy(ROOT / "Makefile", pipeline.folder)
    shutil.copytree(ROOT / "requirements", pipeline.folder / "requirements")
    subprocess.run(["make", "wheelhouse"], cwd=pipeline.folder, check=True, capture_output=True)
    isolated = [*without_network(), "env", "PIP_CONFIG_FILE=/dev/null", "make", "install", "OFFLINE=1"]
    done = subprocess.run(isolated, cwd=pipeline.folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    target = "results/tiny_em/0/tiny/metrics.csv"
    command = [pipeline.folder / ".venv/bin/snakemake", *pipeline.command(target)[1:]]
    done = subprocess.run(
        [*without_network(), *command], cwd=pipeline.folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    made, expected = pipeline.contents(), finished.contents()
    assert target in made and made == {path: expected[path] for path in made}
