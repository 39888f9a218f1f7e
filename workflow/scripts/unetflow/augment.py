"""Augmented training samples: shift, rotation, mirroring, elastic deformation, grey values (section 3.1).

One drawing of random numbers serves image, target and weight. A drawing depends on its seed alone, so a sample is
the same whichever job makes it.
"""

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from .normalisation import per_channel
from .tiles import mirror_index

cv2.setNumThreads(1)  # jobs are parallel, not the calls inside them
AROUND = 64  # pixels; interpolation needs 2, border weights reach 31 with the paper's sigma
KEYS = -0.5  # the cubic convolution kernel of Keys (1981), third-order exact


def grid_displacement(shape, rng, grid=3, sigma=10.0):
    """Smooth displacement from random vectors on a coarse grid (the paper's form).

    ``grid`` x ``grid`` vectors, Gaussian of ``sigma`` pixels, stand on the corners, edges and centre of ``shape``
    (y, x), and are interpolated bicubically to every pixel. Returns float32[2, y, x] in pixels, (dy, dx).

    Raises ValueError if ``grid`` is below 2.
    """
    if grid < 2:
        raise ValueError(f"grid is {grid}; a displacement grid needs at least 2 x 2 vectors")
    vectors = rng.normal(0.0, sigma, (2, grid, grid))
    rows, columns = (_cubic_weights(size, grid) for size in shape)
    return np.einsum("yi,cij,xj->cyx", rows, vectors, columns, optimize=True).astype(np.float32)


def _cubic_weights(size, nodes):
    """float64[size, nodes]: each pixel's weights of the nodes, which stand evenly from the first to the last pixel."""
    at = np.linspace(0, nodes - 1, size)
    first = np.minimum(np.floor(at).astype(int), nodes - 2)
    weights = np.zeros((size, nodes))
    for offset in (-1, 0, 1, 2):
        node = first + offset
        distance = np.abs(at - node)
        near = (KEYS + 2) * distance**3 - (KEYS + 3) * distance**2 + 1
        far = KEYS * (distance**3 - 5 * distance**2 + 8 * distance - 4)
        value = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
        np.add.at(weights, (np.arange(size), np.clip(node, 0, nodes - 1)), value)
    return weights


def gaussian_displacement(shape, rng, alpha, sigma):
    """Elastic displacement of Simard et al. (2003): noise in (-1, 1), smoothed with ``sigma``, scaled by ``alpha``.

    Returns float32[2, y, x] in pixels, (dy, dx), for ``shape`` (y, x).
    """
    noise = rng.uniform(-1.0, 1.0, (2, *shape))
    return np.stack([alpha * gaussian_filter(n, sigma, mode="reflect") for n in noise]).astype(np.float32)


ELASTIC = {"none": None, "grid": grid_displacement, "gaussian": gaussian_displacement}


def draw(rng, options, known, channels=()):
    """The random numbers of one sample, as plain values that can be kept as JSON.

    ``known`` bool[y, x] marks the pixels with a known label; the sample is centred on one of them. Of images
    [c, y, x], whose ``channels`` are (c,), each channel has a contrast and brightness of its own.
    """
    centre = rng.choice(np.flatnonzero(known))
    noise_seed, elastic_seed = (int(n) for n in rng.integers(0, 2**32, 2))
    return {
        "centre": [int(c) for c in np.unravel_index(centre, known.shape)],
        "angle": float(rng.uniform(-1, 1) * options["rotation"]),
        "mirror": bool(options["mirror"] and rng.random() < 0.5),
        "scale": float(np.exp(rng.uniform(-1, 1) * np.log1p(options["scale"]))),
        "contrast": (1 + rng.uniform(-1, 1, channels) * options["contrast"]).tolist(),
        "brightness": (rng.uniform(-1, 1, channels) * options["brightness"]).tolist(),
        "noise": float(rng.uniform(0, 1) * options["noise"]),
        "noise_seed": noise_seed,
        "elastic_seed": elastic_seed,
    }


def sample(drawn, options, image, target, weight):
    """One training sample of ``options["input"]`` x ``options["input"]`` pixels.

    image float[y, x] or [c, y, x] (normalised: mean 0, sd 1), target uint8[y, x], weight float[y, x] of a whole slice;
    beyond its borders they are mirrored or, with ``options["border"]`` "zero", image and weight are 0. Image values are
    interpolated cubically, targets by nearest neighbour, weights linearly: the weight map is carried along rather than
    computed anew, so that it stays tied to the true distances between cells.
    """
    shape = (options["input"], options["input"])
    at = coordinates(shape, drawn, displacement(shape, drawn, options["elastic"]))
    channels = image.astype(np.float32).reshape(-1, *target.shape)
    target, weight, *grey = warp(
        at,
        (target, cv2.INTER_NEAREST),
        (weight.astype(np.float32), cv2.INTER_LINEAR),
        *((channel, cv2.INTER_CUBIC) for channel in channels),
    )
    grey = vary_grey(np.reshape(grey, (*image.shape[:-2], *shape)), drawn)
    weight = np.maximum(weight, 0)
    if options["border"] == "zero":
        inside = np.logical_and.reduce([(a >= 0) & (a <= n - 1) for a, n in zip(at, image.shape[-2:])])
        grey, weight = (np.where(inside, a, np.float32(0)) for a in (grey, weight))
    return grey, target, weight


def window(drawn, options, shape):
    """Slices (y, x) of an image of ``shape`` with all that a sample is made from, and `AROUND` pixels around it."""
    size = (options["input"], options["input"])
    at = coordinates(size, drawn, displacement(size, drawn, options["elastic"]))
    low, high = at.min(axis=(1, 2)).astype(int) - AROUND, at.max(axis=(1, 2)).astype(int) + AROUND
    return tuple(slice(max(0, int(a)), min(n, int(b))) for a, b, n in zip(low, high, shape))


def displacement(shape, drawn, elastic):
    """The elastic part of a drawing, float32[2, y, x] in pixels; zeros where ``elastic["form"]`` is "none"."""
    options = {key: value for key, value in elastic.items() if key != "form"}
    field = ELASTIC[elastic["form"]]
    if field is None:
        return np.zeros((2, *shape), np.float32)
    return field(shape, np.random.default_rng(drawn["elastic_seed"]), **options)


def coordinates(shape, drawn, offset):
    """Where each pixel of the sample comes from, float32[2, y, x]: mirror, rotate, scale, then displace, then shift.

    The elastic ``offset`` is added after the affine part, in pixels of the source image.
    """
    y, x = (np.arange(n) - n // 2 for n in shape)
    if drawn["mirror"]:
        x = -x
    angle = np.deg2rad(drawn["angle"])
    cos, sin = (f(angle) / drawn["scale"] for f in (np.cos, np.sin))
    at = np.empty((2, *shape), np.float32)
    for axis, (of_row, of_column) in enumerate([(cos * y, -sin * x), (sin * y, cos * x)]):
        rows = (of_row + drawn["centre"][axis]).astype(np.float32)
        np.add(rows[:, None], of_column.astype(np.float32), out=at[axis])
    return np.add(at, offset, out=at)


def warp(at, *images):
    """Every one of ``images``, pairs (array[y, x] of one shape, interpolation of OpenCV), at the positions ``at``
    (float32[2, y, x]), mirrored beyond the borders; a list.

    Only the window that is needed is handed to OpenCV, whose own images must be smaller than 32768 pixels.
    """
    low = np.floor(at.min(axis=(1, 2))).astype(int) - 2
    high = np.ceil(at.max(axis=(1, 2))).astype(int) + 3
    rows, columns = (mirror_index(a, b - a, size) for a, b, size in zip(low, high, images[0][0].shape))
    y, x = at - low[:, None, None].astype(np.float32)
    windows = [(image.take(rows, axis=0).take(columns, axis=1), kind) for image, kind in images]
    return [cv2.remap(window, x, y, kind, borderMode=cv2.BORDER_REFLECT_101) for window, kind in windows]


def vary_grey(image, drawn):
    """``image`` float32[..., y, x] with the drawing's contrast, brightness, pixel noise (units: sd of the data)."""
    contrast, brightness, noise = (per_channel(drawn[key]) for key in ("contrast", "brightness", "noise"))
    grain = np.random.default_rng(drawn["noise_seed"]).standard_normal(image.shape, np.float32)
    return image * contrast + brightness + noise * grain
