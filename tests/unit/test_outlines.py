"""Outlines of ImageJ and QuPath become the objects that were drawn."""

import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from roifile import ROI_TYPE, ImagejRoi, roiwrite
from unetflow import IGNORE
from unetflow.datasets.checks import check_slices
from unetflow.datasets.readers import read_folder
from unetflow.datasets.stacks import Slice
from unetflow.errors import InputError
from unetflow.images.outlines import read_outlines, write_outlines

SHAPE = (1, 40, 50)
SQUARE = [(5, 10), (15, 10), (15, 30), (5, 30)]  # x, y: columns 5 to 14, rows 10 to 29
HOLE = [(8, 15), (12, 15), (12, 20), (8, 20)]
OTHER = [(20, 3), (44, 3), (32, 25)]


def area(*boxes, shape=SHAPE):
    """Labels of boxes (rows, columns) that follow each other; 0 takes away."""
    labels = np.zeros(shape, np.int32)
    for number, (rows, columns) in boxes:
        labels[0, slice(*rows), slice(*columns)] = number
    return labels


def inside(x, y, path):
    """Whether a point lies in a closed path, by how often a line from it crosses the path."""
    crossed = False
    for (x0, y0), (x1, y1) in zip(path, [*path[1:], path[0]]):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            crossed = not crossed
    return crossed


def by_centres(path):
    return np.array([[inside(x + 0.5, y + 0.5, path) for x in range(SHAPE[2])] for y in range(SHAPE[1])])


def box_of(kind, left, top, right, bottom, name="a name"):
    roi = ImagejRoi(roitype=kind)
    roi.left, roi.top, roi.right, roi.bottom, roi.name = left, top, right, bottom, name
    return roi


def geojson(path, *geometries, collection=True, classes=()):
    features = [{"type": "Feature", "geometry": one, "properties": {}} for one in geometries]
    for feature, name in zip(features, classes):
        feature["properties"] = {"objectType": "annotation", "classification": name and {"name": name}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features} if collection else features))
    return path


@pytest.mark.parametrize("kind", ["zip", "roi", "geojson", "json"])
def test_polygons_by_the_centres_of_pixels(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    paths = [OTHER] if kind == "roi" else [SQUARE, OTHER]
    if kind in ("roi", "zip"):
        drawn = [ImagejRoi.frompoints(one, name=str(number)) for number, one in enumerate(paths)]
        drawn[0].tofile(path) if kind == "roi" else roiwrite(path, drawn)
    else:
        rings = [{"type": "Polygon", "coordinates": [[*one, one[0]]]} for one in paths]
        geojson(path, *rings, collection=kind == "geojson")
    labels = read_outlines(path, SHAPE)
    for number, one in enumerate(paths, 1):
        np.testing.assert_array_equal(labels[0] == number, by_centres(one))
    assert labels.dtype == np.int32 and labels.max() == len(paths)


def test_rectangles_ovals_and_what_lies_above(tmp_path):
    boxes = {"one": (5, 10, 15, 30), "two": (10, 20, 45, 45)}
    roiwrite(tmp_path / "a.zip", [box_of(ROI_TYPE.RECT, *corners, name=name) for name, corners in boxes.items()])
    expected = area((1, ((10, 30), (5, 15))), (2, ((20, 40), (10, 45))))
    np.testing.assert_array_equal(read_outlines(tmp_path / "a.zip", SHAPE), expected)
    box_of(ROI_TYPE.OVAL, 5, 10, 25, 30).tofile(tmp_path / "a.roi")
    y, x = np.indices(SHAPE[1:]) + 0.5
    circle = (x - 15) ** 2 + (y - 20) ** 2 < 100
    np.testing.assert_array_equal(read_outlines(tmp_path / "a.roi", SHAPE)[0] == 1, circle)


def test_holes_and_pieces(tmp_path):
    rings = [[*one, one[0]] for one in (SQUARE, HOLE)]
    far = [[(30, 30), (40, 30), (40, 35), (30, 35), (30, 30)]]
    path = geojson(tmp_path / "a.json", {"type": "MultiPolygon", "coordinates": [rings, far]})
    expected = area((1, ((10, 30), (5, 15))), (0, ((15, 20), (8, 12))), (1, ((30, 35), (30, 40))))
    np.testing.assert_array_equal(read_outlines(path, SHAPE), expected)


def test_slices_of_a_stack(tmp_path):
    roiwrite(tmp_path / "a.zip", [ImagejRoi.frompoints(one, position=z) for z, one in enumerate((SQUARE, OTHER))])
    labels = read_outlines(tmp_path / "a.zip", (3, *SHAPE[1:]))
    assert [np.unique(one).tolist() for one in labels] == [[0, 1], [0, 2], [0]]
    assert read_outlines(tmp_path / "a.zip", SHAPE).max() == 2, "of one slice the position is that of another stack"
    ImagejRoi.frompoints(SQUARE).tofile(tmp_path / "a.roi")
    with pytest.raises(InputError, match=r"outline 1 lies in no slice .* has 3; set its position"):
        read_outlines(tmp_path / "a.roi", (3, *SHAPE[1:]))
    ImagejRoi.frompoints(SQUARE, z=0, t=2).tofile(tmp_path / "a.roi")
    assert read_outlines(tmp_path / "a.roi", (3, *SHAPE[1:]))[2].any(), "a frame of a film"


@pytest.mark.parametrize("kind", ["zip", "geojson"])
def test_places_about_which_nothing_is_known(tmp_path, kind):
    drawn = {"cell": SQUARE, "Ignore*": HOLE, "Region*": [(0, 0), (30, 0), (30, 40), (0, 40)]}
    if kind == "zip":
        roiwrite(tmp_path / "a.zip", [ImagejRoi.frompoints(path, name=name) for name, path in drawn.items()])
    else:
        geometries = [{"type": "Polygon", "coordinates": [path]} for path in drawn.values()]
        geojson(tmp_path / "a.geojson", *geometries, classes=[None, *list(drawn)[1:]])
    labels = read_outlines(tmp_path / f"a.{kind}", SHAPE)
    nothing = ((0, 40), (30, 50))
    expected = area((1, ((10, 30), (5, 15))), (IGNORE, ((15, 20), (8, 12))), (IGNORE, nothing))
    np.testing.assert_array_equal(labels, expected)
    slices = [Slice("a", "a", np.arange(2000, dtype=np.uint16).reshape(SHAPE[1:]), labels[0])]
    check_slices(slices, "instances", ignore=255)
    np.testing.assert_array_equal(slices[0].labels, expected[0])


@pytest.mark.parametrize("kind", ["zip", "geojson"])
def test_outlines_are_of_the_class_that_they_are_called_by(tmp_path, kind):
    drawn = {"T cell 1": SQUARE, "Ignore*": HOLE, "t": OTHER}
    if kind == "zip":
        roiwrite(tmp_path / "a.zip", [ImagejRoi.frompoints(path, name=name) for name, path in drawn.items()])
    else:
        geometries = [{"type": "Polygon", "coordinates": [path]} for path in drawn.values()]
        geojson(tmp_path / "a.geojson", *geometries, classes=list(drawn))
    labels = read_outlines(tmp_path / f"a.{kind}", SHAPE, {"T_cell": [7, 8], "T": 5})
    boxes = area((7, ((10, 30), (5, 15))), (IGNORE, ((15, 20), (8, 12))))
    np.testing.assert_array_equal(labels[0], np.where(by_centres(OTHER), 5, boxes[0]))
    with pytest.raises(InputError, match=r"an outline is called 't', which is none of the classes T_cell; call it by"):
        read_outlines(tmp_path / f"a.{kind}", SHAPE, {"T_cell": 7})


def test_what_encloses_nothing_is_refused(tmp_path):
    box_of(ROI_TYPE.POINT, 1, 1, 2, 2).tofile(tmp_path / "a.roi")
    with pytest.raises(InputError, match=r"a\.roi: a name is a point, which encloses nothing; take it out"):
        read_outlines(tmp_path / "a.roi", SHAPE)
    path = geojson(tmp_path / "a.geojson", {"type": "LineString", "coordinates": SQUARE})
    with pytest.raises(InputError, match=r"a LineString, which encloses nothing"):
        read_outlines(path, SHAPE)
    (tmp_path / "b.json").write_text('{"version": 1}')
    with pytest.raises(InputError, match=r"b\.json can't be read as outlines"):
        read_outlines(tmp_path / "b.json", SHAPE)
    path = geojson(tmp_path / "c.json", {"type": "Polygon", "coordinates": [[(x + 500, y) for x, y in SQUARE]]})
    with pytest.raises(InputError, match=r"no outline encloses a pixel of its image \(40, 50\)"):
        read_outlines(path, SHAPE)


@pytest.mark.parametrize("labels", ["images", "outlines"])
def test_a_folder_of_them_is_a_data_set(tmp_path, labels):
    for name in ("images", labels):
        (tmp_path / name).mkdir(exist_ok=True)
    for name in "abc":
        tifffile.imwrite(tmp_path / f"images/{name}.tif", np.ones(SHAPE[1:], np.uint8))
    roiwrite(tmp_path / labels / "a.zip", [ImagejRoi.frompoints(SQUARE, name="one")])
    geojson(tmp_path / labels / "b.geojson", {"type": "Polygon", "coordinates": [SQUARE]})
    slices = read_folder(tmp_path, labels=labels)
    assert [one.name for one in slices] == ["a", "b", "c"] and slices[2].labels is None
    for one in slices[:2]:
        np.testing.assert_array_equal(one.labels, area((1, ((10, 30), (5, 15))))[0])


@settings(max_examples=200, deadline=None)
@given(arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3)))
def test_objects_of_any_shape_come_back(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("outlines") / "a.geojson"
    write_outlines(path, labels)
    numbers = np.unique(labels[labels > 0])
    found = read_outlines(path, (1, *labels.shape))[0]
    np.testing.assert_array_equal(np.array([0, *numbers])[found], labels)


def test_holes_lie_in_their_pieces(tmp_path):
    labels = area((5, ((2, 20), (2, 20))), (0, ((5, 15), (5, 15))), (5, ((7, 12), (7, 12))), (0, ((9, 10), (9, 10))))[0]
    write_outlines(tmp_path / "a.geojson", labels)
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert feature["properties"]["name"] == "5" and feature["geometry"]["type"] == "MultiPolygon"
    assert [len(piece) for piece in feature["geometry"]["coordinates"]] == [2, 2]
    for piece in feature["geometry"]["coordinates"]:
        (x0, y0), (x1, y1) = np.min(piece[0], 0), np.max(piece[0], 0)
        assert all(x0 < x < x1 and y0 < y < y1 for x, y in piece[1])
