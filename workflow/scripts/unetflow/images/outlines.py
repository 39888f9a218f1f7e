"""Objects as outlines, as people draw them in ImageJ's ROI Manager or in QuPath, and as label images."""

import json
from pathlib import Path

import numpy as np
from scipy.ndimage import find_objects
from skimage.draw import ellipse, polygon
from skimage.measure import find_contours, points_in_poly

from .. import IGNORE
from ..errors import InputError, first_line

ROIS = (".roi", ".zip")
OUTLINES = (*ROIS, ".geojson", ".json")
UNKNOWN, REGION = "ignore", "region"  # how names of outlines begin that are no objects; QuPath adds an asterisk


def read_outlines(path, shape, classes=None):
    """Labels int32[z, y, x] of ``shape``: objects 1, 2, ... as they follow each other in the file, a later one above an
    earlier where they overlap. A pixel belongs to an object whose outline its centre lies in.

    classes : dict name -> value, or list of such: then labels are the first value of the class that an outline is
    called by, its own name or its class, which begins with that of ``classes``; spaces may be underscores there.

    Outlines called "Ignore", by their own name or their class, as QuPath has it, are no objects: nothing is known there
    (`IGNORE`). Where some are called "Region", nothing is known outside these.

    path : ROIs of ImageJ, one (.roi) or many (.zip), or GeoJSON (RFC 7946) as QuPath exports it, in pixels.
    Raises InputError for unreadable files, for lines and points, for outlines that lie in no slice of the image, or are
    of none of the ``classes``.
    """
    labels = np.zeros(shape, np.int32)
    try:
        found = (rois if Path(path).suffix.lower() in ROIS else features)(path, shape[1:])
    except InputError:
        raise
    except Exception as error:  # whatever is wrong with the file, the user's remedy is the same
        raise InputError(f"{path} can't be read as outlines ({first_line(error)}); export it again") from error
    regions = np.zeros(shape, bool)
    for number, (z, inside, name) in enumerate(found, 1):
        z = z if len(labels) > 1 else 0  # of one slice, a position is that in the stack it is from
        if not 0 <= z < len(labels):
            raise InputError(
                f"{path}: outline {number} lies in no slice of its image, which has {len(labels)}; set its position in "
                f"the stack, or take it out"
            )
        if name.startswith(REGION):
            regions[z][inside] = True
        elif name.startswith(UNKNOWN):
            labels[z][inside] = IGNORE
        else:
            labels[z][inside] = value_of(name, classes, path) if classes else number
    if found and not (labels.any() or regions.any()):
        raise InputError(f"{path}: no outline encloses a pixel of its image {shape[1:]}; draw them in pixels of it")
    return np.where(regions, labels, IGNORE) if regions.any() else labels


def value_of(name, classes, path):
    """The first value of the one of ``classes`` by whose name that of an outline, in small letters, begins."""
    named = [one for one in classes if name.replace(" ", "_").startswith(one.lower())]
    if not named:
        raise InputError(
            f"{path}: an outline is called {name!r}, which is none of the classes {', '.join(classes)}; call it by its "
            f"class, or add that to `classes`"
        )
    values = classes[max(named, key=len)]
    return values[0] if isinstance(values, list) else values


def rois(path, shape):
    """(slice, index of the pixels inside, name) of each ROI in a file of ImageJ; ``shape`` (y, x) of its image."""
    from roifile import ROI_TYPE, roiread

    read = roiread(path)
    found = []
    for roi in read if isinstance(read, list) else [read]:
        if roi.roitype not in (ROI_TYPE.POLYGON, ROI_TYPE.RECT, ROI_TYPE.OVAL, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
            raise InputError(f"{path}: {roi.name} is a {roi.roitype.name.lower()}, which encloses nothing; take it out")
        if roi.roitype == ROI_TYPE.OVAL:
            inside = inside_oval(roi.top, roi.left, roi.bottom, roi.right, shape)
        else:
            inside = inside_paths(roi.coordinates(multi=True), shape)
        position = max(roi.z_position, roi.t_position) or roi.position  # from 1; 0 if it has none
        found.append((position - 1, inside, roi.name.lower()))
    return found


def features(path, shape):
    """(slice, index of the pixels inside, class) of each feature of a GeoJSON file; ``shape`` (y, x) of its image."""
    content = json.loads(Path(path).read_text())
    found = []
    for feature in content.get("features", [content]) if isinstance(content, dict) else content:
        geometry = feature["geometry"]
        polygons = {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}
        if geometry["type"] not in polygons:
            raise InputError(f"{path} holds a {geometry['type']}, which encloses nothing; take it out")
        rings = [np.array(ring)[:, :2] for one in polygons[geometry["type"]] for ring in one]
        named = (feature.get("properties") or {}).get("classification") or {}
        found.append((geometry.get("plane", {}).get("z", 0), inside_paths(rings, shape), named.get("name", "").lower()))
    return found


def inside_paths(paths, shape):
    """The pixels whose centres closed ``paths``, float[n, (x, y)] each, enclose an odd number of times; the first pixel
    goes from 0 to 1."""
    areas = [polygon(y, x, shape) for x, y in (np.asarray(path, float).T - 0.5 for path in paths)]
    if len(areas) == 1:
        return areas[0]
    odd = np.zeros(shape, bool)
    for area in areas:
        odd[area] ^= True
    return odd


def inside_oval(top, left, bottom, right, shape):
    """The pixels whose centres the ellipse in a rectangle encloses."""
    centre, radii = ((top + bottom - 1) / 2, (left + right - 1) / 2), ((bottom - top) / 2, (right - left) / 2)
    return ellipse(*centre, *radii, shape)


def write_outlines(path, labels, class_of=None):
    """Write the objects of ``labels`` int[y, x] as GeoJSON for QuPath, each called by its number.

    class_of : function of a number that returns the name of its class, where there are several. `read_outlines` finds
    the same pixels: outlines pass halfway between the centres of pixels.
    """
    labels = labels.astype(np.int64)  # SciPy takes no unsigned ones
    boxes = {number: box for number, box in enumerate(find_objects(labels), 1) if box is not None}
    features = [
        {
            "type": "Feature",
            "geometry": geometry(rings(labels[box] == number, (box[1].start, box[0].start))),
            "properties": {"objectType": "annotation", "name": str(number)}
            | ({"classification": {"name": class_of(number)}} if class_of else {}),
        }
        for number, box in boxes.items()
    ]
    Path(path).write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def rings(mask, corner):
    """Closed paths float[n, (x, y)] around the pixels of ``mask`` bool[y, x], whose first pixel begins at ``corner``
    (x, y)."""
    paths = find_contours(np.pad(mask, 1).astype(float), 0.5)
    return [path[:, ::-1] - 0.5 + corner for path in paths]  # half a pixel to its centre, less one of padding


def geometry(paths):
    """GeoJSON of closed paths: pieces with the holes in each."""
    areas = [area(path) for path in paths]
    outwards = np.sign(max(areas, key=abs))  # the largest is no hole; holes are wound the other way
    pieces = [[path] for path, one in zip(paths, areas) if np.sign(one) == outwards]
    for hole in (path for path, one in zip(paths, areas) if np.sign(one) != outwards):
        around = [piece for piece in pieces if points_in_poly(hole[:1], piece[0])[0]]
        min(around, key=lambda piece: abs(area(piece[0]))).append(hole)
    polygons = [[path.tolist() for path in piece] for piece in pieces]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def area(path):
    """Signed area of a closed path (shoelace formula)."""
    (x, y), (x_next, y_next) = path[:-1].T, path[1:].T
    return float(np.sum(x * y_next - x_next * y)) / 2
