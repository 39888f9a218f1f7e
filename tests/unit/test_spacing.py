"""Voxel sizes of data sets: given, or as the files say them."""

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from prepare import prepare
from unetflow.datasets.readers import read_folder, read_volume
from unetflow.datasets.spacing import other_voxels, spacing
from unetflow.errors import InputError

GREY = np.random.default_rng(0).integers(0, 200, (3, 20, 24), dtype=np.uint8)
SPACED = {"PhysicalSizeZ": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.25}  # micrometres, if nothing else is said


def folder_of(path, *shapes, **spaced):
    for number, axes in enumerate(shapes):
        for kind in ("images", "labels"):
            (path / kind).mkdir(exist_ok=True)
            image = GREY if axes == "ZYX" else GREY[0]
            tifffile.imwrite(path / kind / f"{number}.tif", image, ome=True, metadata={"axes": axes, **spaced})
    return path


def test_of_single_images_z_is_1(tmp_path):
    assert spacing(read_folder(folder_of(tmp_path, "YX", "YX", **SPACED))) == ((1.0, 0.25, 0.25), "micrometer")


def test_of_stacks_all_three_are_kept(tmp_path):
    assert spacing(read_folder(folder_of(tmp_path, "ZYX", **SPACED))) == ((0.5, 0.25, 0.25), "micrometer")


def test_of_a_volume(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in ("raw", "labels"):
            file[name] = GREY
        file["raw"].attrs["element_size_um"] = (0.5, 0.25, 0.25)
    slices = read_volume(tmp_path / "a.h5", images="raw", axes="zyx")
    assert spacing(slices) == ((0.5, 0.25, 0.25), "micrometer")
    assert spacing(slices, unit="millimeter")[1] == "millimeter"


def test_what_is_given_counts_more(tmp_path):
    slices = read_folder(folder_of(tmp_path, "YX", **SPACED))
    assert spacing(slices, [1, 2, 2], "nanometer") == ([1, 2, 2], "nanometer")


def test_nobody_says_it_or_not_the_same(tmp_path):
    slices = read_folder(folder_of(tmp_path, "YX", "YX"))
    with pytest.raises(InputError, match=r"doesn't say .* add voxel_size"):
        spacing(slices)
    slices = read_folder(folder_of(tmp_path, "YX", "ZYX", **SPACED))
    with pytest.raises(InputError, match=r"\(0\.5, 0\.25, 0\.25\) micrometer, that of 0 \(1\.0, 0\.25, 0\.25\)"):
        spacing(slices)


def test_another_size_than_given_is_told():
    said = (1.0, 0.25, 0.25), "micrometer"
    assert not list(other_voxels(said, (1, 250, 250), "nanometer"))
    assert not list(other_voxels((None, None), (1, 250, 250), "nanometer"))
    (told,) = other_voxels(said, (1, 0.5, 0.5), "micrometer")
    assert told.startswith("the file says voxels of [1.0, 0.25, 0.25] micrometer")


def test_the_prepared_volume_has_it(tmp_path):
    folder_of(tmp_path, "YX", "YX", **SPACED)
    entry = {"format": "folder", "options": {}, "voxel_size": None, "unit": None, "labels": "instances"}
    entry |= {"classes": None, "ignore": None, "normalisation": "auto", "split": {"method": "images", "folds": 2}}
    prepare(tmp_path, *(tmp_path / name for name in ("volume.zarr", "splits.json", "checks.csv")), entry)
    meta = zarr.open_group(tmp_path / "volume.zarr").attrs["unetflow"]
    assert (meta["voxel_size"], meta["unit"]) == ([1.0, 0.25, 0.25], "micrometer")
    assert "[1.0, 0.25, 0.25] micrometer" in (tmp_path / "checks.csv").read_text()
    entry |= {"voxel_size": [1, 0.5, 0.5], "unit": "micrometer"}
    prepare(tmp_path, *(tmp_path / name for name in ("other.zarr", "other.json", "other.csv")), entry)
    assert "the file says voxels of [1.0, 0.25, 0.25]" in (tmp_path / "other.csv").read_text()
