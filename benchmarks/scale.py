"""How prediction grows with the volume and the number of slabs, and what Snakemake takes to plan many of them.

Usage: make bench-scale, or one part alone with ARGS="--only scaling". Each part writes a table of its name to results/:
scheduler (dry runs), plans (of volumes that don't exist), scaling (slabs as processes of their own, as Snakemake starts
them), large (one slab of more than 8 GB with 2 GB of addresses).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "workflow/scripts"))
SLICES, SLABS, AT_ONCE = (4, 8, 16), (1, 2, 4), (1, 2)
SIDE = 1024
PLANNED = (10, 100, 1000, 10_000)  # slabs of dry runs
LARGE = (60, 8192, 8192)  # uint16: 8.05 GB
HUGE = {  # name: shape of uint8 voxels, block
    "1 TB": ((1024, 32768, 32768), [8, 1024, 1024]),
    "1 PB": ((32768, 176128, 176128), [64, 2048, 2048]),
}
LIMIT = 2 * 10**9  # bytes of addresses
ARCHITECTURE = {"name": "unet", "width": 16, "depth": 4}
SMALL = {"name": "unet", "width": 4, "depth": 2}
OPTIONS = {
    "tile": None,
    "block": [1, SIDE, SIDE],
    "symmetries": ["0"],
    "store": "uint8",
    "spread": False,
    "precision": "float32",
    "engine": "auto",
}


def slab(folder, item):
    """Predict one slab of the volume in ``folder``; what a Snakemake job does, told as JSON on the last line."""
    entered = time.perf_counter()
    import torch
    from predict_slab import Inputs, predict_slab
    from unetflow import memory

    torch.set_num_threads(1)
    entry, options = (json.loads((folder / f"{name}.json").read_text()) for name in ("volume", "options"))
    inputs = Inputs(entry, folder / "plan.json", folder / "model.safetensors")
    imported = time.perf_counter() - entered
    predict_slab(inputs, folder / f"{item}.zarr", item, options, "cpu", memory.available(), "key")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"import_s": imported, "cpu_s": time.process_time(), "peak_mb": peak / 1e6}))


def make_volume(folder, shape, dtype, architecture, options):
    """A volume of noise, a model with random weights, and their plan."""
    import torch
    import zarr
    from plan_volume import plan_volume
    from unetflow import memory, models
    from unetflow.sharing import modelfile

    torch.manual_seed(0)
    description = {"architecture": architecture, "normalisation": {"mean": 128.0, "sd": 70.0}}
    modelfile.save(folder / "model.safetensors", models.build(**architecture).state_dict(), description)
    chunks = (1, min(1024, shape[1]), min(1024, shape[2]))
    array = zarr.create_array(str(folder / "raw.zarr"), shape=shape, dtype=dtype, chunks=chunks)
    rng = np.random.default_rng(0)
    for z in range(shape[0]):
        array[z] = rng.integers(0, 255, shape[1:], dtype)
    entry = {"path": str(folder / "raw.zarr"), "axes": "zyx", "voxel_size": [1, 1, 1]}
    for name, content in (("volume", entry), ("options", options)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    plan_volume(entry, None, architecture, options, folder / "plan.json", memory.available())


def run_slab(folder, item):
    """A process for one slab: its measures, its seconds from start to end among them."""
    command = [sys.executable, __file__, "--slab", str(folder), item]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1]) | {"wall_s": time.perf_counter() - began}


def scaling():
    """Rows for every size, number of slabs and number of slabs at work at once."""
    for slices in SLICES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_volume(folder, (slices, SIDE, SIDE), np.uint8, ARCHITECTURE, OPTIONS)
            for count in SLABS:
                for at_once in AT_ONCE[: min(count, len(AT_ONCE))]:
                    began = time.perf_counter()
                    with ThreadPoolExecutor(at_once) as pool:
                        items = [f"{k}-of-{count}" for k in range(1, count + 1)]
                        measured = list(pool.map(run_slab, [folder] * count, items))
                    yield {
                        "voxels": slices * SIDE**2,
                        "slabs": count,
                        "at_once": at_once,
                        "wall_s": time.perf_counter() - began,
                        "cpu_s": sum(row["cpu_s"] for row in measured),
                        "import_s": np.mean([row["import_s"] for row in measured]),
                        "peak_mb": max(row["peak_mb"] for row in measured),
                    }


def cost_model(rows):
    """(seconds of CPU per slab, seconds per million voxels) that fit the rows best."""
    frame = pd.DataFrame(rows)
    terms = np.stack([frame["slabs"], frame["voxels"] / 1e6], axis=1)
    return np.linalg.lstsq(terms, frame["cpu_s"], rcond=None)[0]


def scheduler():
    """Rows of dry runs of the smallest experiment with many slabs."""
    import psutil

    for count in PLANNED:
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--nolock"]
        command += ["--configfile", "tests/config.yaml", "--set-scatter", f"slab={count}"]
        began, peak = time.perf_counter(), 0
        process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.05)
        if process.returncode:
            raise RuntimeError(f"the dry run with {count} slabs failed")
        yield {"slabs": count, "wall_s": time.perf_counter() - began, "peak_mb": peak / 1e6}


def plans():
    """A row for each huge volume: what `plan_volume` finds out from its metadata, all there is of it here."""
    import zarr
    from unetflow import models
    from unetflow.images.sources import open_source
    from unetflow.volumes.plan import lay_out

    for name, (shape, block) in HUGE.items():
        with tempfile.TemporaryDirectory() as folder:
            zarr.create_array(f"{folder}/raw.zarr", shape=shape, dtype=np.uint8, chunks=(1, 1024, 1024))
            began = time.perf_counter()
            source = open_source(f"{folder}/raw.zarr", axes="zyx", voxel_size=[1, 1, 1])
            plan = lay_out(source, models.build(**ARCHITECTURE), OPTIONS | {"block": block}, 4 * 10**9)
            yield {"volume": name, **plan, "seconds_to_plan": time.perf_counter() - began}


def large():
    """One row: a volume of more than 8 GB, predicted in one slab with 2 GB of addresses."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = OPTIONS | {"block": [1, 2048, 2048], "store": "argmax"}
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))  # of the plan, and of the slab's process too
        make_volume(folder, LARGE, np.uint16, SMALL, options)
        row = run_slab(folder, "1-of-1")
        plan = json.loads((folder / "plan.json").read_text())
        gigabytes = np.prod(LARGE) * 2 / 1e9
        yield {"gigabytes": gigabytes, "tile": plan["tile"], "announced_mb": plan["bytes_of_memory"] / 1e6, **row}


PARTS = {"scheduler": scheduler, "plans": plans, "scaling": scaling, "large": large}


def keep(name, rows):
    """Print rows as they come and write them to results/."""
    kept = []
    for row in rows:
        kept.append(row)
        print(name, {key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}, flush=True)
    (ROOT / "results").mkdir(exist_ok=True)
    pd.DataFrame(kept).to_csv(ROOT / f"results/{name}.csv", index=False, float_format="%.4g")
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slab", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=list(PARTS), help="one part alone")
    arguments = parser.parse_args()
    if arguments.slab:
        return slab(Path(arguments.slab[0]), arguments.slab[1])
    for part in [arguments.only] if arguments.only else PARTS:
        rows = keep(part, PARTS[part]())
        if part == "scaling":
            per_slab, per_million = cost_model(rows)
            print(f"cost model: {per_slab:.1f} s of CPU per slab and {per_million:.2f} s per million voxels")


if __name__ == "__main__":
    main()
