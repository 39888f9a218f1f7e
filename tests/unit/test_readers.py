"""Readers: generated files, and the real data where they are at hand."""

from itertools import permutations
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from conftest import shared
from skimage.io import imread, imsave
from unetflow import IGNORE
from unetflow.datasets import synthetic
from unetflow.datasets.checks import check_slices
from unetflow.datasets.readers import read_ctc, read_folder, read_generated, read_isbi2012, read_volume
from unetflow.errors import InputError
from unetflow.images import pixels
from unetflow.images.ngff import create_image, create_labels
from unetflow.images.pixels import read_channels

RNG = np.random.default_rng(0)


def image(*shape):
    return RNG.integers(0, 255, shape, np.uint8)


def write(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".tif":
        imsave(path, array, check_contrast=False)
    else:
        tifffile.imwrite(path, array, **options)


def test_isbi2012_with_official_test_labels(tmp_path):
    volume, labels, test, truth = image(6, 8, 9), image(6, 8, 9), image(2, 8, 9), image(2, 8, 9)
    for name, array in (
        ("train-volume", volume),
        ("train-labels", labels),
        ("test-volume", test),
        ("test-labels", truth),
    ):
        write(tmp_path / "ISBI" / f"{name}.tif", array)
    slices = read_isbi2012(tmp_path)
    assert [s.name for s in slices] == [f"train/{z:03d}" for z in range(6)] + ["test/000", "test/001"]
    assert [s.part for s in slices] == ["train"] * 6 + ["test"] * 2
    np.testing.assert_array_equal(slices[1].labels, labels[1])
    np.testing.assert_array_equal(slices[7].labels, truth[1])


def test_isbi2012_test_labels_that_repeat_the_training_labels_are_not_used(tmp_path):
    labels = image(2, 8, 9)
    for name, array in (
        ("train-volume", image(2, 8, 9)),
        ("train-labels", labels),
        ("test-volume", image(2, 8, 9)),
        ("test-labels", labels),
    ):
        write(tmp_path / f"{name}.tif", array)
    assert [s.labels is None for s in read_isbi2012(tmp_path)] == [False, False, True, True]


def test_isbi2012_real_stack():
    slices = read_isbi2012(shared("data/isbi2012-em"))
    assert len(slices) == 60 and slices[0].image.shape == (512, 512)
    white = np.mean([(s.labels > 0).mean() for s in slices[:30]])
    assert white == pytest.approx(0.78, abs=0.005) and slices[30].labels is None


def test_ctc_frames_with_gold_truth_and_unknown_background(tmp_path):
    labels = np.zeros((9, 9), np.uint16)
    labels[1:4, 1:4] = 1
    markers = labels.copy()
    markers[6:8, 6:8] = 2
    for frame, tracked in (("005", labels), ("007", markers)):
        write(tmp_path / "01" / f"t{frame}.tif", image(9, 9))
        write(tmp_path / "01_GT/SEG" / f"man_seg{frame}.tif", labels)
        write(tmp_path / "01_GT/TRA" / f"man_track{frame}.tif", tracked)
    write(tmp_path / "01" / "t006.tif", image(9, 9))
    complete, partial = read_ctc(tmp_path)
    np.testing.assert_array_equal(partial.markers, markers)
    assert (complete.name, complete.group) == ("01/t005", "01")
    np.testing.assert_array_equal(complete.labels, labels)
    assert set(np.unique(partial.labels)) == {IGNORE, 1}, "a cell has no outline, so background is unknown"
    assert len(read_ctc(tmp_path, sequences=["01"])) == 2
    for options, missing in (({"sequences": ["02"]}, "NN_GT"), ({"silver": True}, "NN_ST")):
        with pytest.raises(InputError, match=f"holds no {missing}/SEG"):
            read_ctc(tmp_path, **options)
    for frame in ("005", "006"):
        write(tmp_path / "01_ST/SEG" / f"man_seg{frame}.tif", 7 * labels)
    read = read_ctc(tmp_path, silver=True)
    assert [(one.name, one.part) for one in read] == [("01/t005", "train"), ("01/t006", "silver"), ("01/t007", "train")]
    assert (read[0].labels == labels).all() and (read[1].labels == 7 * labels).all(), "gold goes before silver"


def test_ctc_cells_outside_the_field_of_interest_are_unknown(tmp_path):
    labels = np.zeros((9, 9), np.uint16)
    labels[0:4, 1:4] = 1
    write(tmp_path / "01" / "t000.tif", image(9, 9))
    write(tmp_path / "01_GT/SEG/man_seg000.tif", labels)
    write(tmp_path / "01_GT/TRA/man_track000.tif", labels)
    (one,) = read_ctc(tmp_path, margin=2)
    expected = np.full((9, 9), IGNORE)
    expected[2:7, 2:7] = 0
    expected[0:4, 1:4] = 1
    np.testing.assert_array_equal(one.labels, expected)
    np.testing.assert_array_equal(one.markers, expected)


def test_ctc_real_sets():
    slices = read_ctc(shared("data/DIC-C2DH-HeLa"))
    assert [s.group for s in slices] == ["01"] * 9 + ["02"] * 9
    by_name = {s.name: s for s in slices}
    assert not (by_name["01/t002"].labels == IGNORE).any()
    assert (by_name["01/t067"].labels == IGNORE).any(), "3 of 18 cells are outlined"
    slices = read_ctc(shared("data/PhC-C2DH-U373"))
    assert len(slices) == 34 and {s.image.shape for s in slices} == {(520, 696)}
    assert not any((s.labels == IGNORE).any() for s in slices if s.group == "01")


def test_folder_of_jpeg_and_bmp(tmp_path):
    for name in ("images/a.JPG", "images/b.jpeg", "images/c.bmp", "labels/a.png", "labels/b.tif", "labels/c.bmp"):
        write(tmp_path / name, image(8, 9))
    slices = read_folder(tmp_path)
    assert [one.name for one in slices] == ["a", "b", "c"]
    for one, name in zip(slices, ("images/a.JPG", "images/b.jpeg", "images/c.bmp")):
        np.testing.assert_array_equal(one.image, imread(tmp_path / name))
    np.testing.assert_array_equal(slices[2].labels, imread(tmp_path / "labels/c.bmp"))


def test_folder_of_tiff_and_png_with_unlabelled_and_stacks(tmp_path):
    write(tmp_path / "images/a.png", image(8, 9))
    write(tmp_path / "images/b cell.tif", image(5, 6))
    write(tmp_path / "images/c.tif", image(2, 8, 9))
    write(tmp_path / "masks/a.tif", np.ones((8, 9), np.uint16))
    write(tmp_path / "masks/c.tif", np.ones((2, 8, 9), np.uint16))
    slices = read_folder(tmp_path, labels="masks")
    assert [(s.name, s.labels is None) for s in slices] == [
        ("a", False),
        ("b cell", True),
        ("c/000", False),
        ("c/001", False),
    ]


def test_labels_beside_their_images_with_a_suffix(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"images/{name}.tif", image(5, 6))
    write(tmp_path / "images/a_cp_masks.png", image(5, 6))
    slices = read_folder(tmp_path, labels="images", suffix="_cp_masks")
    assert [(s.name, s.labels is not None) for s in slices] == [("a", True), ("b", False)]


def test_folder_real_nuclei():
    slices = read_folder(shared("data/dsb2018-fluo"), labels="masks")
    assert len(slices) == 110 and all(s.labels.shape == s.image.shape for s in slices)


@pytest.mark.parametrize("axes", [p for n in (2, 3, 4) for p in permutations("czyx", n) if {"y", "x"} <= set(p)])
def test_a_channel_of_any_order_of_axes(tmp_path, axes):
    """By the file's own word where it can say it (TIFF's axes end with y, x), or else by the configuration's."""
    sizes = {"c": 2, "z": 5, "y": 8, "x": 9}
    array, axes = image(*(sizes[axis] for axis in axes)), "".join(axes)
    path, known = tmp_path / "a.ome.tif", axes.endswith("yx")
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": axes.upper()} if known else None)
    expected = array.take(1, axes.index("c")) if "c" in axes else array
    left = axes.replace("c", "")
    expected = expected.transpose([left.index(axis) for axis in "zyx" if axis in left])
    read = read_channels(path, None if known else axes, channel=1 if "c" in axes else None)
    np.testing.assert_array_equal(read, expected if "z" in axes else expected[None])
    if "c" in axes:
        both = read_channels(path, None if known else axes, channel=[1, 0])
        np.testing.assert_array_equal(both[:, 0], read)
        np.testing.assert_array_equal(both[:, 1], read_channels(path, None if known else axes, channel=0))
        with pytest.raises(InputError, match=r"has 2 channels or colours; .* \{channel: \[0, 1\]\} for all"):
            read_channels(path, axes)


def test_stacks_however_they_were_written(tmp_path):
    """Page by page, as time points, and as slices that the file calls channels; images and labels."""
    stack, labels = image(3, 8, 9), np.ones((3, 8, 9), np.uint8)
    for folder, pages in (("images", stack), ("labels", labels)):
        write(tmp_path / folder / "film.tif", pages, imagej=True, metadata={"axes": "TYX"})
        with tifffile.TiffWriter(tmp_path / folder / "pages.tif") as file:
            for page in pages:
                file.write(page)
    for name in ("film", "pages"):
        read = [one for one in read_folder(tmp_path) if one.group == name]
        np.testing.assert_array_equal([one.image for one in read], stack)
    for folder, pages in (("images", stack), ("labels", labels)):
        write(tmp_path / "channels" / folder / "a.tif", pages, imagej=True)
    with pytest.raises(InputError, match=r"if they are slices, with options: \{axes: zyx\}"):
        read_folder(tmp_path / "channels")
    np.testing.assert_array_equal([one.image for one in read_folder(tmp_path / "channels", axes="zyx")], stack)


def test_grey_saved_as_colour_is_read_and_of_colours_the_one_that_is_named(tmp_path):
    grey = image(8, 9)
    write(tmp_path / "images/a.png", np.repeat(grey[..., None], 3, axis=2))
    (tmp_path / "labels").mkdir()
    write(tmp_path / "labels/a.tif", np.ones((8, 9), np.uint8))
    np.testing.assert_array_equal(read_folder(tmp_path)[0].image, grey)
    colours = image(8, 9, 3)
    write(tmp_path / "images/a.png", colours)
    with pytest.raises(InputError, match="has 3 channels or colours; say which are read"):
        read_folder(tmp_path)
    np.testing.assert_array_equal(read_folder(tmp_path, channel=1)[0].image, colours[..., 1])


def test_generated():
    slices = read_generated(None, "cell_images", slices=2, size=64, cells=5, seed=1)
    assert len(slices) == 2 and slices[0].labels.max() > 0


@pytest.mark.parametrize("generate", [synthetic.em_stack, synthetic.cell_images])
def test_generated_images_follow_from_the_seed_and_are_not_solved_by_a_threshold(generate):
    (images, labels), (again, _), (other, _) = (generate(slices=2, size=128, cells=14, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(images, again)
    assert (images != other).any() and images.dtype == np.uint8
    thresholds = np.arange(1, 255)
    accuracy = max(
        max(((images > t) == (labels > 0)).mean(), ((images < t) == (labels > 0)).mean()) for t in thresholds
    )
    assert accuracy < 0.93


def test_cells_touch_in_generated_images():
    _, labels = synthetic.cell_images(slices=4, size=128, cells=20, seed=0)
    right = (labels[:, :, 1:] != labels[:, :, :-1]) & (labels[:, :, 1:] > 0) & (labels[:, :, :-1] > 0)
    assert right.sum() > 10


STACK, DRAWN = image(5, 8, 9), image(5, 8, 9).astype(np.uint64) * 2**40


def hdf5(path):
    with h5py.File(path / "sample.hdf", "w") as file:
        file["volumes/raw"], file["volumes/labels/neuron_ids"] = STACK, DRAWN
    return path / "sample.hdf", {"images": "volumes/raw", "labels": "volumes/labels/neuron_ids", "axes": "zyx"}


def ome_zarr(path):
    """As napari's plugin writes it: labels below the image, which has two channels."""
    create_image(path / "cells.zarr", (2, *STACK.shape), "uint8", [1, 1, 1], None, channels=["a", "b"])
    zarr.open_array(path / "cells.zarr/0")[:] = np.stack([0 * STACK, STACK])
    create_labels(path / "cells.zarr", "cells", STACK.shape, [1, 1, 1], None)
    zarr.open_array(path / "cells.zarr/labels/cells/0")[:] = DRAWN >> 40
    return path / "cells.zarr", {"labels": "labels/cells", "channel": 1}


def arrays_of_zarr(path):
    """Without names of axes; the labels lack the one of channels."""
    group = zarr.open_group(path / "both.zarr", mode="w", zarr_format=2)
    group.create_array("em", data=STACK[..., None])
    group.create_array("labels", data=DRAWN)
    return path / "both.zarr", {"images": "em", "axes": "zyxc"}


def files_of_folder(path):
    write(path / "raw.tif", STACK, metadata={"axes": "ZYX"})
    write(path / "drawn.tif", (DRAWN >> 40).astype(np.uint8), metadata={"axes": "ZYX"})
    return path, {"images": "raw.tif", "labels": "drawn.tif"}


@pytest.mark.parametrize("kind", [hdf5, ome_zarr, arrays_of_zarr, files_of_folder])
def test_labelled_volumes_of_any_format(tmp_path, kind):
    path, options = kind(tmp_path)
    slices = read_volume(str(path), **options)
    np.testing.assert_array_equal([one.image for one in slices], STACK)
    check_slices(slices, "instances", None)
    drawn = np.array([one.labels for one in slices])
    assert drawn.dtype == np.int32 and drawn.max() < 256
    np.testing.assert_array_equal(drawn == 0, DRAWN == 0)
    pairs = np.unique([drawn.ravel(), (DRAWN >> 40).astype(int).ravel()], axis=1).shape[1]
    assert pairs == len(np.unique(DRAWN)) == len(np.unique(drawn)), "one number for each id"
    some = read_volume(str(path), **options, annotated=[1, 4])
    assert [one.name for one in some if one.labels is not None] == ["001", "004"] and len(some) == 5


def test_several_labelled_volumes_are_groups(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path, options = hdf5(tmp_path / name)
        path.rename(tmp_path / f"{name}.h5")
    slices = read_volume(tmp_path, files="*.h5", **options)
    assert [one.name for one in slices[4:7]] == ["a/004", "b/000", "b/001"]
    assert [one.group for one in slices[4:7]] == ["a", "b", "b"]
    np.testing.assert_array_equal([one.image for one in slices], np.concatenate([STACK, STACK]))
    (tmp_path / "a.hdf5").hardlink_to(tmp_path / "a.h5")
    with pytest.raises(InputError, match="two slices are called 'a/000'"):
        check_slices(read_volume(tmp_path, files="*.h*5", **options), "instances", None)


def test_a_labelled_volume_larger_than_memory_is_not_read(tmp_path, monkeypatch):
    path, options = hdf5(tmp_path)
    monkeypatch.setattr(pixels.psutil, "virtual_memory", lambda: SimpleNamespace(total=STACK.nbytes - 1))
    with pytest.raises(InputError, match=r"volumes/raw says that it holds .* more than this machine's memory"):
        read_volume(path, **options)


def test_real_labelled_volume():
    slices = read_volume(shared("data/fib25-medulla-250"), images="raw.tif", labels="labels.tif")
    assert slices[0].image.shape == (250, 250) and len({one.group for one in slices}) == 1
    rows = dict(check_slices(slices, "instances", None))
    assert rows["slices"].endswith("annotated") and len(slices) == 250
