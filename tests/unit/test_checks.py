"""What `prepare` refuses, and what it says of what it accepts."""

import numpy as np
import pytest
from unetflow import IGNORE
from unetflow.datasets.checks import check_slices, volume_findings
from unetflow.datasets.stacks import Slice
from unetflow.images.sources import Source


def grey(dtype=np.uint8):
    return np.arange(48).reshape(6, 8).astype(dtype)


def one(image=None, labels=None, name="a", group="g"):
    if labels is None:
        labels = np.zeros((6, 8), int)
        labels[1:3, 1:3], labels[4, 5:7] = 1, 2
    return Slice(name, group, grey() if image is None else image, labels)


def test_binary_masks_become_instances_and_unknown_pixels_stay():
    labels = np.zeros((6, 8), np.uint8)
    labels[1:3, 1:3] = labels[4:, 5:] = 255
    labels[0], labels[2, 1] = 7, 200  # any value but 0
    slices = [one(labels=labels)]
    check_slices(slices, "binary", ignore=7)
    assert slices[0].labels.dtype == np.int32
    assert set(np.unique(slices[0].labels)) == {IGNORE, 0, 1, 2}


def test_of_several_classes_those_that_are_named_are_objects():
    labels = np.zeros((6, 8), np.uint8)
    labels[1:3, 1:3], labels[1:3, 3:5], labels[4:, 5:], labels[0] = 2, 3, 2, 7
    slices = [one(labels=labels)]
    check_slices(slices, "classes", ignore=7, classes={"glia": 2})
    assert (slices[0].labels > 0).tolist() == (labels == 2).tolist() and slices[0].labels.max() == 2
    assert ((slices[0].labels == IGNORE) == (labels == 7)).all()


def test_findings():
    broken = np.zeros((6, 8), int)
    broken[0, 0] = broken[5, 7] = 4
    broken[2, 2] = 9
    rows = dict(check_slices([one(), one(grey(np.uint16) * 50, broken, "b")], "instances", None))
    assert rows["slices"] == "2, of which 2 annotated"
    assert rows["objects"].startswith("4 ")
    assert rows["label ids"].startswith("not consecutive in 1 slices")
    assert "1 objects consist of several pieces" in rows["suspicious"]


def test_objects_that_fill_the_slices_are_no_mistake_but_a_single_one_is():
    halves = np.repeat([[1, 2]], 6, axis=0).repeat(4, axis=1)
    two, single = (str(check_slices([one(labels=labels)], "instances", None)) for labels in (halves, halves > 0))
    assert "objects fill the slices" in two and "objects cover 100.00%" not in two
    assert "objects fill the slices" not in single and "objects cover 100.00%" in single
    classes = str(check_slices([one(labels=halves)], "classes", None, {"left": 1, "right": 2}))
    assert "left 50.00%, right 50.00%" in classes and "fill" not in classes and "objects cover 100" not in classes


BRIGHT = np.full((6, 8), 255, np.uint8)
BRIGHT[0] = 0
ODD = {
    "few": ([one()], "only 1 annotated slices"),
    "nearly nothing": ([one(grey().repeat(20, 0).repeat(20, 1), np.pad([[1]], ((0, 119), (0, 159))))], "cover 0.01%"),
    "overexposed": ([one(BRIGHT)], "83% of image a have the largest value of uint8"),
    "another range": ([one(), one(name="b"), one(name="c"), one(grey() + 200, name="d")], "image d has the mean 223.5"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_suspicious_is_said(case):
    slices, said = ODD[case]
    assert any(said in finding for kind, finding in check_slices(slices, "instances", None) if kind == "suspicious")


def test_nothing_is_suspicious_of_usual_images():
    slices = [one(name=name) for name in "abc"]
    assert not [finding for kind, finding in check_slices(slices, "instances", None) if kind == "suspicious"]


def test_files_that_were_exposed_otherwise_are_not_suspicious():
    """They are normalised each by itself."""
    slices = [one(grey() + 200 * (name == "d"), name=name, group=name) for name in "abcd"]
    assert not [finding for kind, finding in check_slices(slices, "instances", None) if kind == "suspicious"]


def test_how_many_bits_are_used_is_told():
    rows = dict(check_slices([one(grey(np.uint16) * 80)], "instances", None))
    assert "12 bit" in rows["bit depth"]


def test_specks_beside_objects_are_suspicious():
    labels = np.zeros((60, 60), int)
    labels[5:35, 5:35], labels[5:35, 37:57], labels[40, 40], labels[45, 45:47], labels[0, 50] = 1, 2, 3, 4, 5
    image = np.arange(3600).reshape(60, 60)
    said = [finding for kind, finding in check_slices([one(image, labels)], "instances", None) if kind == "suspicious"]
    assert any(
        finding.startswith("2 objects have areas of 2 px or less, but half of all more than 750 px;")
        for finding in said
    )
    labels[40:50] = 0
    said = [finding for kind, finding in check_slices([one(image, labels)], "instances", None) if kind == "suspicious"]
    assert not any("pen" in finding for finding in said)


def test_what_is_said_of_a_volume():
    values = np.random.default_rng(0).integers(5, 90, (12, 300, 310)).astype(np.uint16)
    rows = dict(volume_findings(Source("v", values, "zyx", {}, (2.0, 0.5, 0.5), "micrometer")))
    assert rows["size (z, y, x)"] == "12 x 300 x 310, read from axes zyx" and "suspicious" not in rows
    assert rows["voxels"] == "1.12e+06, 0.00223 GB as uint16" and rows["grey values"].startswith("5 to 89, mean 4")
    assert rows["voxel size (z, y, x)"] == "[2.0, 0.5, 0.5] micrometer"
    channels = Source("v", values.reshape(6, 2, 300, 310), "zcyx", {"t": 0, "c": 1}, (2.0, 0.5, 0.5), "micrometer")
    said = "6 x 300 x 310, read from axes zcyx, channel 1 of 2"
    assert dict(volume_findings(channels))["size (z, y, x)"] == said


def test_what_is_said_of_images_of_different_sizes():
    files, sizes = tuple(f"{k}.tif" for k in range(40)), ((9, 8),) * 39 + ((3, 7),)
    values = np.arange(40 * 72).reshape(40, 9, 8)
    rows = volume_findings(Source("v", values, "zyx", {}, (1.0, 1.0, 1.0), None, files, sizes))
    assert dict(rows)["images"].startswith("of 2 sizes, 3 x 7 to 9 x 8 pixels;") and "suspicious" not in dict(rows)
    assert "images" not in dict(
        volume_findings(Source("v", values, "zyx", {}, (1.0, 1.0, 1.0), None, files, sizes[:1] * 40))
    )


@pytest.mark.parametrize(
    "values, said",
    [
        (np.full((3, 9, 9), np.nan, np.float32), "NaN or infinite values"),
        (np.zeros((3, 9, 9), np.uint8), "the same value everywhere in the middle: is it the right array"),
        (np.arange(40 * 81).reshape(40, 9, 9), "more slices than pixels along y and x"),
    ],
)
def test_what_is_suspicious_of_a_volume(values, said):
    rows = volume_findings(Source("v", values, "zyx", {}, (1.0, 1.0, 1.0)))
    assert [said in finding for kind, finding in rows if kind == "suspicious"] == [True]
