"""The environments agree: the lock file, those for conda, and the images."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

LOCK = (ROOT / "requirements/lock.txt").read_text()
PINS = dict(re.findall(r"^([a-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)", LOCK, re.M))
DOCKERFILE, APPTAINER = (ROOT / "Dockerfile").read_text(), (ROOT / "Apptainer.def").read_text()


@pytest.mark.parametrize("file", ["cpu.yaml", "torch.yaml", "report.yaml", "exchange.yaml", "view.yaml"])
def test_conda_environments_have_the_locked_versions(file):
    locked = PINS | {"torch": (ROOT / "requirements/torch.txt").read_text().strip().removeprefix("torch==")}
    for requirement in yaml.safe_load((ROOT / "envs" / file).read_text())["dependencies"][-1]["pip"]:
        name, version = requirement.split("==")
        assert locked[name] == version, f"envs/{file}: {name} is {version}, locked is {locked[name]}"


def test_lock_file_brings_no_torch_and_no_cuda():
    assert "torch" not in PINS and not [n for n in PINS if n.startswith(("nvidia-", "cuda-", "triton"))]


def test_dockerfile_is_linted():
    lint = [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_both_images_hold_the_same():
    sections = dict(re.findall(r"^%(\w+)\n(.*?)(?=^%|\Z)", APPTAINER, re.M | re.S))
    assert set(sections) == {"files", "post", "environment", "runscript"}
    assert re.search(r"^From: (.*)$", APPTAINER, re.M)[1] == re.search(r"^FROM (.*)$", DOCKERFILE, re.M)[1]
    copied = {line.split()[0] for line in sections["files"].splitlines() if line.strip()}
    assert copied == set(re.findall(r"^COPY (\S+)", DOCKERFILE, re.M)) and all(
        (ROOT / name).exists() for name in copied
    )
    runs = re.sub(r"\\\n\s*", "", DOCKERFILE)
    commands = [part.strip() for line in re.findall(r"^RUN (.*)$", runs, re.M) for part in line.split("&&")]
    assert [c for c in map(str.strip, sections["post"].splitlines()) if c and not c.startswith("cd ")] == commands
    assert re.search(r"^ENV (.*)$", DOCKERFILE, re.M)[1] in sections["environment"]
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {line.removeprefix("!") for line in ignored[1:]} == copied, "what is copied must not be ignored"
