"""Stores: what is written comes back, in OME-Zarr that other readers understand."""

import json

import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr_models.v05 import Image
from ome_zarr_models.v05.image_label import ImageLabel
from unetflow import IGNORE
from unetflow.datasets.stacks import Samples, Slice, Volume, write_chunk, write_volume
from unetflow.images import ngff

RNG = np.random.default_rng(0)


def slices():
    """Two slices of different size; the second without labels."""
    labels = RNG.integers(0, 5, (700, 40)).astype(np.int32)
    labels[:3] = IGNORE
    return [
        Slice("a/000", "a", RNG.integers(0, 4000, (700, 40), np.uint16), labels),
        Slice("b", "b", RNG.integers(0, 255, (30, 90)).astype(np.uint8), None, part="test"),
    ]


@pytest.fixture
def written(tmp_path):
    made = slices()
    write_volume(tmp_path / "volume.zarr", made, (50, 4.5, 4), "nanometer")
    return tmp_path / "volume.zarr", made


def test_a_volume_comes_back(written):
    path, made = written
    volume = Volume(path)
    assert volume.names == ["a/000", "b"]
    for one in made:
        assert volume.shape(one.name) == one.image.shape
        np.testing.assert_array_equal(volume.image(one.name), one.image)
    np.testing.assert_array_equal(volume.labels("a/000"), made[0].labels)
    assert volume.labels("b") is None


@pytest.mark.parametrize("wanted, brighter, found", [
    ("auto", 0, "dataset"), ("auto", 500, "group"), ("dataset", 500, "dataset"), ("group", 0, "group")
])  # fmt: skip
def test_grey_values_are_normalised_by_data_set_or_by_group(tmp_path, wanted, brighter, found):
    """Two stacks of different size, alike or not; of each two slices."""
    grey = [RNG.integers(0, 1000, (20, 20 + 10 * (k // 2)), np.uint16) + brighter * (k // 2) for k in range(4)]
    made = [Slice(f"{k}", "ab"[k // 2], image, None) for k, image in enumerate(grey)]
    write_volume(tmp_path / "v.zarr", made, (1, 1, 1), None, wanted)
    volume, pixels = Volume(tmp_path / "v.zarr"), [np.stack(grey[k : k + 2]) for k in (0, 2)]
    for name, own in zip("0123", (pixels[0], pixels[0], pixels[1], pixels[1])):
        assert volume.moments(name) == pytest.approx((own.mean(), own.std()))
    everything = np.concatenate([stack.ravel() for stack in pixels])
    expected = None if found == "group" else pytest.approx((everything.mean(), everything.std()))
    assert volume.normalisation == expected


def test_a_volume_is_ome_zarr_to_the_validator_and_to_another_reader(written):
    path, _ = written
    image = Image.from_zarr(zarr.open_group(path, mode="r"))
    multiscale = image.ome_attributes.multiscales[0]
    assert [(axis.name, axis.unit) for axis in multiscale.axes] == [(n, "nanometer") for n in "zyx"]
    assert multiscale.datasets[0].coordinateTransformations[0].scale == [50, 4.5, 4]
    ImageLabel.from_zarr(zarr.open_group(path / "labels/truth", mode="r"))
    nodes = list(Reader(parse_url(path))())
    assert nodes[0].data[0].shape == (2, 700, 90)


def test_probabilities_have_a_channel_axis(tmp_path):
    array = ngff.create_image(
        tmp_path / "p.zarr", (2, 3, 20, 30), "float32", (1, 0.5, 0.5), "micrometer", ("no", "yes")
    )
    array[:] = 0.25
    image = Image.from_zarr(zarr.open_group(tmp_path / "p.zarr", mode="r"))
    assert [axis.name for axis in image.ome_attributes.multiscales[0].axes] == ["c", "z", "y", "x"]
    assert next(iter(Reader(parse_url(tmp_path / "p.zarr"))())).data[0].shape == (2, 3, 20, 30)


def test_one_file_per_slice_and_no_zarr_2(tmp_path):
    array = ngff.create_image(tmp_path / "p.zarr", (2, 3, 1100, 600), "float32", (1, 1, 1), None, ("no", "yes"))
    array[:] = 1
    files = [f for f in (tmp_path / "p.zarr/0").rglob("*") if f.is_file() and f.name != "zarr.json"]
    assert len(files) == 2 * 3
    assert json.loads((tmp_path / "p.zarr/0/zarr.json").read_text())["zarr_format"] == 3


def test_chunks_come_back_as_one_sequence(tmp_path):
    made = [
        (
            RNG.normal(size=(20, 20)).astype(np.float32),
            RNG.integers(0, 2, (20, 20), np.uint8),
            RNG.random((20, 20)) * 12,
        )
        for _ in range(5)
    ]
    write_chunk(tmp_path / "0.zarr", made[:3], [{"sample": k} for k in range(3)])
    write_chunk(tmp_path / "1.zarr", made[3:], [{"sample": k} for k in range(3, 5)])
    samples = Samples([tmp_path / "0.zarr", tmp_path / "1.zarr"])
    assert len(samples) == 5
    for got, sent in zip(samples, made):
        np.testing.assert_array_equal(got[1], sent[1])
        np.testing.assert_allclose(got[0], sent[0], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(got[2], sent[2], rtol=1e-3, atol=1e-5)
    assert zarr.open_group(tmp_path / "1.zarr").attrs["draws"][0]["sample"] == 3
