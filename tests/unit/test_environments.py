"""The environments agree: the lock file, those for conda, and the images."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = (ROOT / "requirements/lock.txt").read_text()
PINS = dict(re.findall(r"^([a-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)", LOCK, re.M))
DOCKERFILE, APPTAINER = (ROOT / "Dockerfile").read_text(), (ROOT / "Apptainer.def").read_text()


@pytest.mark.parametrize("file", ["cpu.yaml", "torch.yaml", "report.yaml", "exchange.yaml", "view.yaml"])
def test_conda_environments_have_the_locked_versions(file):
    locked = PINS | {"torch": (ROOT / "requirements/torch.txt").read_text().strip().removeprefix("torch==")}
    for requirement in yaml.safe_load((ROOT / "envs" / file).read_text())["dependencies"][-1]["pip"]:
        name, version = requirement.split("==")
        assert locked[name] == version, f"envs/{file}: {name} is {version}, locked is {locked[name]}"


def imported(file, seen):
    """Names of the packages that a script and what it uses of ours import when they are loaded."""
    if file in seen:
        return set()
    seen.add(file)
    names, home = set(), ROOT / "workflow/scripts"
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.level or node.module.split(".")[0] == "unetflow"):
            folder = file.parents[node.level - 1] if node.level else home
            base = folder.joinpath(*(node.module or "").split("."))
            for path in (base, *(base / alias.name for alias in node.names)):
                for found in (path.with_suffix(".py"), path / "__init__.py"):
                    names |= imported(found, seen) if found.is_file() else set()
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names)


def with_requirements(names):
    """Distributions, and all that they require in turn."""
    found, todo = set(), [canonicalize_name(name) for name in names]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            try:
                required = map(Requirement, metadata.requires(name) or [])
            except metadata.PackageNotFoundError:
                continue
            todo += [
                canonicalize_name(r.name) for r in required if r.marker is None or r.marker.evaluate({"extra": ""})
            ]
    return found


RULES = "\n".join(file.read_text() for file in sorted((ROOT / "workflow/rules").glob("*.smk")))
JOBS = sorted(set(re.findall(r'envs/(\w+)\.yaml"(?:(?!^rule ).)*?scripts/(\w+)\.py"', RULES, re.M | re.S)))


@pytest.mark.parametrize("environment, script", JOBS)
def test_conda_environments_hold_what_their_scripts_import(environment, script):
    listed = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"][-1]["pip"]
    held, owners = with_requirements(line.split("==")[0] for line in listed), metadata.packages_distributions()
    for name in imported(ROOT / f"workflow/scripts/{script}.py", set()):
        assert {canonicalize_name(one) for one in owners[name]} & held, f"envs/{environment}.yaml lacks {name}"


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
