"""Measurements of objects against scikit-image's, whatever the blocks."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_objects import measure_objects
from scipy.ndimage import gaussian_filter
from skimage.measure import label, regionprops_table
from unetflow.blocks import Grid, widened
from unetflow.images import ngff
from unetflow.volumes import measures

SAME = {  # ours -> scikit-image's
    "object": "label",
    "voxels": "num_pixels",
    "size": "area",
    "diameter": "equivalent_diameter_area",
    "major_axis": "axis_major_length",
    "minor_axis": "axis_minor_length",
    "mean": "intensity_mean",
    "sd": "intensity_std",
    "min": "intensity_min",
    "max": "intensity_max",
}
PLACE = {"y": "centroid-0", "x": "centroid-1"}, {"z": "centroid-0", "y": "centroid-1", "x": "centroid-2"}


def objects(seed, shape, dimensions):
    """Labels and grey values of a random volume; objects of a slice each, or in space."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 60000, shape).astype(np.uint16)
    mask = gaussian_filter(random.normal(size=shape), 1.5) > 0.03
    if dimensions == 3:
        return label(mask), values
    labels, last = np.zeros(shape, int), 0
    for z, one in enumerate(mask):
        labels[z] = np.where(one, label(one) + last, 0)
        last = max(last, labels[z].max())
    return labels, values


def expected(labels, values, voxel_size, dimensions):
    """scikit-image's measurements of the whole volume."""
    names = [*SAME.values(), "centroid"]
    if dimensions == 2 and voxel_size[1] == voxel_size[2]:
        names.append("perimeter")
    if dimensions == 3:
        found = pd.DataFrame(regionprops_table(labels, values, properties=names, spacing=voxel_size))
    else:
        each = [regionprops_table(*pair, properties=names, spacing=voxel_size[1:]) for pair in zip(labels, values)]
        found = pd.concat(map(pd.DataFrame, each), ignore_index=True)
    for axis, name in PLACE[dimensions - 2].items():
        found[name] /= voxel_size["zyx".index(axis)]
    return found.rename(columns={theirs: ours for ours, theirs in (SAME | PLACE[dimensions - 2]).items()})


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 9999),
    st.tuples(st.integers(1, 5), st.integers(3, 22), st.integers(3, 22)),
    st.sampled_from([2, 3]),
    st.sampled_from([(1, 1, 1), (4, 0.5, 0.25)]),
)
def test_measurements_are_those_of_the_whole_volume(seed, block, dimensions, voxel_size):
    labels, values = objects(seed, (5, 20, 21), dimensions)
    parts = []
    for part in Grid(labels.shape, block):
        low, high, core = widened(part.start, part.stop, (0, measures.HALO, measures.HALO), labels.shape)
        lengths = np.stack([measures.outlines(one) for one in labels[tuple(map(slice, low, high))]])[core]
        window = labels[part.slices], values[part.slices], lengths, part.start
        parts.append(measures.pieces(*window, lambda z: labels.shape, dimensions))
    found = measures.table({None: measures.merged(parts)}, voxel_size, dimensions)
    theirs = expected(labels, values, voxel_size, dimensions)
    # scikit-image takes rounding errors of objects one voxel thick for a length, up to its square root.
    np.testing.assert_allclose(found[theirs.columns], theirs, rtol=1e-6, atol=1e-5)
    assert "perimeter" in theirs or found[["perimeter", "circularity"]].isna().all(axis=None)
    inner = labels[(slice(None) if dimensions == 2 else slice(1, -1), slice(1, -1), slice(1, -1))]
    touching = set(np.unique(labels)) - {0} - {k for k in np.unique(inner) if (labels == k).sum() == (inner == k).sum()}
    assert set(found.loc[found["at_border"], "object"]) == touching


def test_perimeters_of_objects_that_touch():
    """Those of scikit-image, which sees each object alone."""
    labels = np.random.default_rng(0).integers(0, 4, (12, 13)).repeat(4, 0).repeat(4, 1)
    theirs = regionprops_table(labels, properties=["perimeter"])["perimeter"]
    lengths = measures.outlines(labels)
    assert (lengths[labels == 0] == 0).all()
    np.testing.assert_allclose(np.bincount(labels.ravel(), lengths.ravel())[1:], theirs)


def test_objects_at_the_end_of_a_small_image_are_cut_off_by_it():
    labels = np.zeros((2, 9, 12), int)
    labels[0, 4:7, 1:3], labels[1, 4:7, 1:3] = 1, 2
    sizes = [(7, 12), (9, 12)]
    found = measures.pieces(labels, labels, labels, (0, 0, 0), lambda z: (2, *sizes[z]), 2)
    assert list(found["at_border"]) == [True, False]


def stored(folder, labels, unit="micrometer"):
    """The store of a segmentation, as `segment_volume` writes it."""
    ngff.create_image(folder / "s.zarr", labels.shape, np.uint32, (2, 0.5, 0.5), unit, shard=(1, 16, 16))
    group = zarr.open_group(folder / "s.zarr", mode="a")
    group["0"][:], group.attrs["unetflow"] = labels, {"classes": ["object"], "objects": [int(labels.max())]}
    return folder / "s.zarr"


def test_the_table_of_a_volume_of_files_names_them(tmp_path, monkeypatch):
    labels, values = objects(0, (3, 30, 33), 2)
    for z, image in enumerate(values):
        tifffile.imwrite(tmp_path / f"cell {z}.tif", image)
    arguments = {"path": str(tmp_path / "*.tif")}, stored(tmp_path, labels), tmp_path / "objects.csv", 2, 2
    done, pieces = [], measures.pieces

    def interrupted(*window):
        if len(done) == 5:
            raise OSError("power cut")
        done.append(window[3])
        return pieces(*window)

    monkeypatch.setattr(measures, "pieces", interrupted)
    with pytest.raises(OSError, match="power cut"):
        measure_objects(*arguments[:4], 1, "key")
    assert not arguments[2].exists()
    monkeypatch.setattr(measures, "pieces", lambda *window: done.append(window[3]) or pieces(*window))
    measure_objects(*arguments, "key")
    assert len(done) == len(set(done)) == 3 * 2 * 3, "each block once"
    table = pd.read_csv(arguments[2])
    theirs = expected(labels, values, (2, 0.5, 0.5), 2)
    np.testing.assert_allclose(table[theirs.columns], theirs, rtol=1e-6, atol=1e-5)
    assert (table["image"] == [f"cell {z}.tif" for z in table["z"].astype(int)]).all()
    assert (table["unit"] == "micrometer").all()
    round_ones = 4 * np.pi * table["size"] / table["perimeter"].replace(0, np.nan) ** 2
    np.testing.assert_allclose(table["circularity"], round_ones, rtol=1e-6)


def test_a_volume_without_objects_has_an_empty_table(tmp_path):
    tifffile.imwrite(tmp_path / "v.tif", np.ones((2, 20, 20), np.uint8), photometric="minisblack")
    objects = stored(tmp_path, np.zeros((2, 20, 20), int), None)
    for dimensions in (2, 3):
        measure_objects({"path": str(tmp_path / "v.tif")}, objects, tmp_path / "o.csv", dimensions, 1, "key")
        table = pd.read_csv(tmp_path / "o.csv")
        assert not len(table) and list(table.columns[:4]) == ["object", "z", "y", "x"]
