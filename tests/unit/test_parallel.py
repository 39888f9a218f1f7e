"""Dask's workers in other processes make the same bytes as the threads of a job."""

import os
import signal

import dask
import numpy as np
import pytest
import tifffile
import zarr
from evaluate_volume import evaluate_volume
from segment_volume import segment_volume
from test_volumes import OPTIONS, SEGMENTATION, model, predicted, volume  # noqa: F401
from unetflow import files
from unetflow.errors import InputError
from unetflow.volumes import parallel, pyramid

IDS = {"dataset": "d", "fold": 0, "model": "m", "seed": 0}
TRUTH = {
    "axes": "zyx",
    "array": None,
    "channel": 0,
    "time": 0,
    "labels": "binary",
    "classes": None,
    "ignore": None,
    "dimensions": 2,
}


@pytest.fixture(scope="module")
def scheduler():
    """Address of a scheduler with two workers, each a process."""
    with dask.config.set({"unetflow.workers": "local"}):
        client = parallel.client("local", 2)
    yield client.scheduler.address


@pytest.mark.parametrize(
    "options", [{"fill_holes": True}, {"threshold": 0.45, "seed_threshold": 0.5}], ids=["components", "flooded"]
)
def test_the_same_objects_and_metrics(model, tmp_path, scheduler, monkeypatch, options):  # noqa: F811
    monkeypatch.setattr(pyramid, "SMALLEST_LEVEL", 20)
    entry, values = volume(tmp_path, (4, 30, 50))
    prediction = predicted(tmp_path, entry, model, OPTIONS)
    tifffile.imwrite(tmp_path / "truth.tif", (values > values.mean()).astype(np.uint8), photometric="minisblack")
    made = {}
    for place in ("threads", scheduler):
        folder = tmp_path / place.replace("/", "")
        folder.mkdir()
        with dask.config.set({"unetflow.workers": place}):
            segment_volume(prediction, folder / "s.zarr", SEGMENTATION | options, 2, "key")
            truth = TRUTH | {"path": str(tmp_path / "truth.tif")}
            evaluate_volume(truth, prediction, folder / "s.zarr", folder / "m.csv", IDS, 2, "key")
        made[place] = {str(file.relative_to(folder)): file.read_bytes() for file in files.files_of(folder)}
    assert made[scheduler] == made["threads"] and len(zarr.open_group(tmp_path / "threads/s.zarr")) == 3


def test_items_are_done_elsewhere_and_in_order(scheduler):
    with dask.config.set({"unetflow.workers": scheduler}):
        assert list(parallel.in_parallel(abs, range(-20, 0), 1)) == list(range(20, 0, -1))
        (elsewhere,) = parallel.in_parallel(lambda _: os.getpid(), [0], 1)
    assert elsewhere != os.getpid()


def test_work_goes_on_when_all_workers_are_lost(tmp_path):
    def deadly(item):
        if item == 3 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with parallel.local_cluster(1) as cluster, cluster.get_client() as client:
        assert list(parallel.by_workers(deadly, client)(range(6))) == list(range(6))
    assert (tmp_path / "killed").exists()


def test_a_misspelt_place_is_refused():
    with dask.config.set({"unetflow.workers": "slrum"}), pytest.raises(InputError, match="'slrum'; it must be threads"):
        list(parallel.in_parallel(abs, [1], 1))
