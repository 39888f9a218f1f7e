"""What tests share: where the real data lie, a copy of the pipeline to run, small networks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("UNETFLOW_SHARED", ROOT.parent / "shared"))


def shared(*parts):
    """A path below the shared folder of real data and reference values; skips loudly if it isn't there."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"NOT TESTED: {path} is absent; set UNETFLOW_SHARED to the folder that holds {parts[0]}/")
    return path


@pytest.fixture
def pipeline(tmp_path):
    """A copy of the pipeline in a fresh folder, with a function that runs Snakemake there."""
    return Pipeline(tmp_path / "unetflow")


class Pipeline:
    """Snakemake on a copy of this repository's files."""

    def __init__(self, folder):
        self.folder = Path(folder)
        for name in (
            "Snakefile",
            "config.yaml",
            "workflow",
            "profiles",
            "envs",
            "config",
            "resources/paper",
            "tests/config.yaml",
        ):
            source, target = ROOT / name, self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)

    def command(self, *arguments, configfiles=("tests/config.yaml",)):
        snakemake = Path(sys.executable).with_name("snakemake")
        configs = ["--configfile", *configfiles] if configfiles else []
        return [str(snakemake), "--cores", "2", "--resources", "gpu=0", *configs, "--", *arguments][
            : None if arguments else -1
        ]

    def run(self, *options, targets=(), check=True, **kwargs):
        """Run Snakemake with ``options``; returns the finished process, with both outputs in ``stdout``."""
        command = self.command(*targets, **kwargs)
        command[1:1] = options
        done = subprocess.run(
            command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done

    def planned(self, *options, **kwargs):
        """Names of the rules that a dry run would execute."""
        lines = self.run("--dry-run", "--quiet", "reason", *options, **kwargs).stdout.splitlines()
        if any("Nothing to be done" in line for line in lines):
            return set()
        start = next(i for i, line in enumerate(lines) if line.startswith("job ")) + 2
        table = [line.split() for line in lines[start:]]
        return {row[0] for row in table[: table.index(next(r for r in table if r[0] == "total"))]}

    def contents(self):
        """Bytes of every result that must be reproducible, by path: all but times and what shows them."""
        changing = ("runtime", "report.html")
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in sorted((self.folder / "results").rglob("*"))
            if file.is_file()
            and ".snakemake" not in file.name
            and not file.stem.startswith(changing)
            and file.name not in changing
        }
