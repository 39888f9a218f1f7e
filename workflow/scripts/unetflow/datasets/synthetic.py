"""Generated microscopy with exact truth, for trying things out and for tests.

Realistic enough that grey values alone don't solve it: in the EM-like stack organelles are as dark as membranes and
membranes fade; in the cells-like images cells touch, and differ from the background by texture and halo only.
"""

from math import ceil

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.ndimage import label as connected_components
from scipy.spatial import KDTree


def em_stack(slices=10, size=256, cells=45, seed=0):
    """Serial-section EM-like stack: uint8[z, y, x] images and int32[z, y, x] labels (0 = membrane, 1.. = cells).

    Cells are Voronoi regions, bent, of seeds that drift from slice to slice; they keep their id through the stack.
    """
    rng = np.random.default_rng([seed, 1])
    seeds = rng.uniform(0, size, (cells, 2))
    drift = np.cumsum(rng.normal(0, 0.02 * size / np.sqrt(cells) * 3, (slices, cells, 2)), axis=0)
    brightness = rng.normal(0, 0.05, cells + 1)
    bend = smooth_noise(rng, (2, size, size), 0.06 * size) * 0.05 * size
    pairs = [_em_slice(rng, seeds + drift[z], bend, brightness) for z in range(slices)]
    return tuple(np.stack(column) for column in zip(*pairs))


def _em_slice(rng, seeds, bend, brightness):
    size = bend.shape[-1]
    wobble = bend + smooth_noise(rng, bend.shape, 0.03 * size) * 0.01 * size
    position = np.moveaxis(np.indices((size, size)) + wobble, 0, -1)
    distance, nearest = KDTree(seeds).query(position, k=2)
    gap = distance[..., 1] - distance[..., 0]
    depth = gap / np.hypot(*np.gradient(gap)).clip(0.7)  # pixels from the border, however much the cell is bent
    labels = np.where(depth < 2.2, 0, nearest[..., 0] + 1).astype(np.int32)
    fade = np.clip(0.85 + 0.3 * smooth_noise(rng, (size, size), 0.04 * size), 0.35, 1.0)
    grey = 0.68 + brightness[labels] + 0.05 * smooth_noise(rng, (size, size), 0.02 * size)
    grey -= 0.45 * fade * np.exp(-((depth / 1.8) ** 2))
    for _ in range(size * size // 2500):
        _paint_organelle(rng, grey, labels)
    grey = gaussian_filter(grey, 0.8) + rng.normal(0, 0.06, grey.shape)
    return as_uint8(grey), labels


def _paint_organelle(rng, grey, labels):
    """A mitochondrion (dark rim, grey inside) or a vesicle (dark dot), within the cell at a random place."""
    y, x = rng.integers(0, labels.shape[0], 2)
    if labels[y, x] == 0:
        return
    axes = rng.uniform(4, 10, 2) if rng.random() < 0.4 else np.repeat(rng.uniform(1.5, 2.5), 2)
    rim = 1.5 / axes.mean()
    reach = ceil(axes.max() * (1 + rim))
    near = tuple(slice(max(0, at - reach), at + reach + 1) for at in (y, x))
    grey, inside = grey[near], labels[near] == labels[y, x]
    radius = ellipse_radius(grey.shape, (y - near[0].start, x - near[1].start), axes, rng.uniform(0, np.pi))
    grey[inside & (radius < 1)] -= 0.18
    grey[inside & (np.abs(radius - 1) < rim)] -= 0.25


def cell_images(slices=12, size=256, cells=16, seed=0):
    """Phase-contrast-like images: uint8[z, y, x] and int32[z, y, x] labels (0 = background, 1.. = cells that touch)."""
    rng = np.random.default_rng([seed, 2])
    pairs = [_cell_image(rng, size, cells) for _ in range(slices)]
    return tuple(np.stack(column) for column in zip(*pairs))


def _cell_image(rng, size, cells):
    labels = _touching_cells(rng, size, cells)
    grey = 0.5 + 0.08 * smooth_noise(rng, (size, size), 0.25 * size) + 0.02 * smooth_noise(rng, (size, size), 2.0)
    texture = 0.07 * smooth_noise(rng, (size, size), 1.5)
    for cell in np.unique(labels[labels > 0]):
        depth = distance_transform_edt(labels == cell)  # pixels from the border of the cell, inwards
        nucleus = depth > 0.6 * depth.max()
        body = rng.normal(-0.03, 0.03) - 0.08 * nucleus + texture - 0.2 * np.exp(-depth / 1.5)
        grey += np.where(depth > 0, body, 0)
    halo = 0.15 * np.exp(-distance_transform_edt(labels == 0) / 3)
    grey += np.where(labels == 0, halo, 0)
    return as_uint8(gaussian_filter(grey, 0.7) + rng.normal(0, 0.03, grey.shape)), labels


def _touching_cells(rng, size, cells):
    """int32[y, x]: uneven ellipses, half of them beside the one before; of overlaps the earlier cell keeps its part."""
    labels = np.zeros((size, size), np.int32)
    at = rng.uniform(0, size, 2)
    for cell in range(1, cells + 1):
        at = at + rng.normal(0, 0.12 * size, 2) if rng.random() < 0.5 else rng.uniform(0, size, 2)
        bump = 1 + 0.2 * smooth_noise(rng, (size, size), 0.05 * size)
        radius = ellipse_radius(labels.shape, at, rng.uniform(0.05, 0.1, 2) * size, rng.uniform(0, np.pi)) * bump
        inside = radius < 1
        if (inside & (labels > 0)).sum() <= 0.2 * inside.sum():
            labels[inside & (labels == 0)] = cell
    return keep_largest_pieces(labels)


def keep_largest_pieces(labels, least=60):
    """``labels`` int32[y, x] with each object cut down to its largest 4-connected piece; pieces below ``least`` go."""
    result = np.zeros_like(labels)
    for cell in np.unique(labels[labels > 0]):
        pieces, _ = connected_components(labels == cell)
        sizes = np.bincount(pieces.ravel())[1:]
        if sizes.max() >= least:
            result[pieces == 1 + sizes.argmax()] = cell
    return result


def ellipse_radius(shape, centre, axes, angle):
    """float64[y, x]: 1 on the ellipse, less inside; ``axes`` are its half axes in pixels."""
    y, x = np.indices(shape) - np.reshape(centre, (2, 1, 1))
    u, v = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    return np.hypot(u / axes[0], v / axes[1])


def smooth_noise(rng, shape, sigma):
    """Gaussian noise smoothed over the last two axes with ``sigma`` pixels, scaled to standard deviation 1."""
    noise = gaussian_filter(rng.standard_normal(shape), (0,) * (len(shape) - 2) + (sigma, sigma), mode="reflect")
    return noise / noise.std(axis=(-2, -1), keepdims=True)


def as_uint8(grey):
    return np.clip(np.rint(grey * 255), 0, 255).astype(np.uint8)


GENERATORS = {"em_stack": em_stack, "cell_images": cell_images}
