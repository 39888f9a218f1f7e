"""What tests share: where the real data lie, and a copy of the pipeline to run."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHROMIUM = "/usr/bin/chromium"
SHARED = Path(os.environ.get("UNETFLOW_SHARED", ROOT.parent / "shared"))
# Two tests at a time keep both cores busy: threads that spin while they wait for each other would triple a step's time.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# What a shell starts in the background ignores Ctrl-C, and so would all that tests start and send it to.
signal.signal(signal.SIGINT, signal.default_int_handler)
COPIED = ("Snakefile", "config.yaml", "workflow", "profiles", "envs", "config", "resources/paper", "tests/config.yaml")


def shared(*parts):
    """A path below the shared folder of real data and reference values; skips loudly if it isn't there."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"NOT TESTED: {path} is absent; set UNETFLOW_SHARED to the folder that holds {parts[0]}")
    return path


@contextmanager
def chromium(*arguments):
    """A headless browser that asks nobody on the network for anything of its own."""
    from playwright.sync_api import sync_playwright

    usual = ["--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *(arguments or usual)])
        yield browser
        browser.close()


class Pipeline:
    """Snakemake on a copy of this repository's files, with fixed threads per job."""

    def __init__(self, folder, *configfiles, cores=2):
        self.folder, self.configfiles, self.cores = Path(folder), configfiles, cores
        for name in COPIED:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, target)

    def command(self, *options):
        command = [str(Path(sys.executable).with_name("snakemake")), "--resources", "gpu=0"]
        command += ["--set-threads", "train=1", "predict=1", "predict_slab=1", "check_tiling=1", "profile_model=1"]
        command += ["--cores", str(self.cores)]  # last, since a target may follow
        return [*command, *options, *(["--configfile", *self.configfiles] if self.configfiles else [])]

    def run(self, *options, prefix=(), check=True):
        """Run Snakemake; returns the finished process, with both outputs in ``stdout``."""
        done = subprocess.run(
            [*prefix, *self.command(*options)],
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done

    def planned(self, *options):
        """Names of the rules that a dry run would execute."""
        lines = self.run("--dry-run", *options).stdout.splitlines()
        if "Job stats:" not in lines:
            assert any("Nothing to be done" in line for line in lines), lines
            return set()
        rules = []
        for line in lines[lines.index("Job stats:") + 3 :]:
            name = line.split()[0]
            if name == "total":
                return set(rules) - {"all"}
            rules.append(name)
        raise AssertionError("no total in the job statistics")

    def contents(self):
        """Bytes of every result, by path, but for what tells of times and machines."""
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in sorted((self.folder / "results").rglob("*"))
            if file.is_file()
            and file.stem not in ("runtime", "report", "speed", "cost", "provenance", "run")
            and not file.name.startswith(".snakemake")
        }


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The smallest experiment, run undisturbed and, where this system allows it, without any network."""
    pipeline = Pipeline(tmp_path_factory.mktemp("finished"), "tests/config.yaml")
    pipeline.output = pipeline.run(prefix=without_network()).stdout
    return pipeline


def without_network():
    """Command prefix that takes the network away, or nothing."""
    prefix = ("unshare", "--map-root-user", "--net")
    try:
        return prefix if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0 else ()
    except FileNotFoundError:
        return ()
