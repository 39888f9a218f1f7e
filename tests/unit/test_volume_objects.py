"""Objects of a volume, made block by block, are those of the whole volume."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_fill_holes, gaussian_filter, generate_binary_structure
from scipy.ndimage import label as components
from skimage.segmentation import watershed
from test_joining import InMemory, same_partition
from unetflow.blocks import Grid
from unetflow.objects import opposite, segment
from unetflow.volumes.objects import VolumeObjects

OPTIONS = {
    "threshold": 0.5,
    "connectivity": 1,
    "min_size": 0,
    "fill_holes": False,
    "grow": 0,
    "dimensions": 2,
    "seed_threshold": None,
    "neck": None,
    "reach": 64,
}


def probability(seed, shape, smooth=0.7):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), smooth)
    return (0.5 + 0.5 * noise / np.abs(noise).max()).astype(np.float32)


def by_blocks(probability, block, inside=None, voxel_size=(1, 1, 1), size=None, classes=None, **options):
    def windows(values):
        return lambda start, stop: values[tuple(map(slice, start, stop))]

    grid, prediction = Grid(probability.shape, block), SimpleNamespace(voxel_size=voxel_size)
    prediction.objects = ["object"] if classes is None else ["a", "b", "c"]
    prediction.channels = ["background", *prediction.objects] + ([] if inside is None else ["border"])
    prediction.foreground, prediction.inside = windows(probability), windows(inside)
    prediction.classes = windows(classes)
    prediction.size = size or (lambda z: probability.shape[1:])
    stores = defaultdict(lambda: InMemory(probability.shape))
    found = VolumeObjects(prediction, grid, stores.__getitem__, OPTIONS | options, 2)
    result = np.zeros(probability.shape, np.int64)
    for part in grid:
        result[part.slices] = found.read(part.start, part.stop)
    assert set(np.unique(result)) | {0} == set(range(sum(found.counts) + 1)), "ids are not consecutive"
    return result if classes is None else (result, found.counts)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 9999),
    st.tuples(st.integers(1, 3), st.integers(3, 14), st.integers(3, 14)),
    st.sampled_from([1, 2]),
    st.integers(0, 6),
    st.booleans(),
)
def test_slices_as_one_by_one(seed, block, connectivity, min_size, fill_holes):
    volume = probability(seed, (3, 18, 21))
    options = {"connectivity": connectivity, "min_size": min_size, "fill_holes": fill_holes}
    found = by_blocks(volume, block, **options)
    for z, one in enumerate(volume):
        assert same_partition(found[z], segment(one, **options)[0])


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 9999),
    st.tuples(st.integers(1, 5), st.integers(3, 9), st.integers(3, 9)),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
)
def test_in_space_as_the_whole_volume(seed, block, connectivity, fill_holes):
    volume = probability(seed, (7, 11, 12))
    found = by_blocks(volume, block, dimensions=3, connectivity=connectivity, fill_holes=fill_holes)
    foreground = volume > 0.5
    if fill_holes:
        foreground = binary_fill_holes(foreground, generate_binary_structure(3, opposite(3, connectivity)))
    assert same_partition(found, components(foreground, generate_binary_structure(3, connectivity))[0])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 9999), st.tuples(st.integers(1, 3), st.integers(4, 14), st.integers(4, 14)))
def test_flooding_from_seeds_within_reach(seed, block):
    volume = probability(seed, (3, 20, 24), smooth=2)
    found = by_blocks(volume, block, seed_threshold=0.7)
    for z, one in enumerate(volume):
        assert same_partition(found[z], segment(one, seed_threshold=0.7)[0])
        seeds = components((one > 0.7) & (one > 0.5))[0]
        assert same_partition(found[z], watershed(-one, seeds, 1, mask=one > 0.5))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 9999), st.tuples(st.integers(1, 3), st.integers(4, 14), st.integers(4, 14)))
def test_flooding_from_what_is_off_the_border(seed, block):
    volume = probability(seed, (3, 20, 24), smooth=2)
    inside = volume * probability(seed + 1, (3, 20, 24), smooth=1)
    found = by_blocks(volume, block, inside, seed_threshold=0.4)
    for z, one in enumerate(volume):
        assert same_partition(found[z], segment(one, seed_threshold=0.4, inside=inside[z])[0])


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 9999),
    st.tuples(st.integers(1, 3), st.integers(4, 14), st.integers(4, 14)),
    st.sampled_from([None, 0.6]),
    st.booleans(),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_parting_at_necks(seed, block, seed_threshold, by_inside, neck):
    volume = probability(seed, (3, 20, 24), smooth=2)
    inside = volume * probability(seed + 1, (3, 20, 24), smooth=1) + 0.2 if by_inside else None
    found = by_blocks(volume, block, inside, seed_threshold=seed_threshold, neck=neck)
    for z, one in enumerate(volume):
        off_border = inside[z] if by_inside else None
        assert same_partition(found[z], segment(one, seed_threshold=seed_threshold, inside=off_border, neck=neck)[0])


def test_necks_in_space_are_those_of_its_sizes():
    """Two balls that overlap, in slices four times as far apart as pixels; parted in space, whatever the blocks."""
    z, y, x = np.ogrid[:9, :33, :60]
    balls = [(4 * (z - 4)) ** 2 + (y - 16) ** 2 + (x - at) ** 2 < 15**2 for at in (17, 41)]
    volume = (balls[0] | balls[1]).astype(np.float32)
    options = {"dimensions": 3, "voxel_size": (4, 1, 1)}
    whole = by_blocks(volume, volume.shape, neck=0.9, **options)
    assert by_blocks(volume, volume.shape, **options).max() == 1 and whole.max() == 2
    assert all(
        (whole[4, 16, at] == whole[ball & ~other]).all() for at, ball, other in zip((17, 41), balls, balls[::-1])
    )
    assert same_partition(by_blocks(volume, (3, 16, 20), neck=0.9, **options), whole)


def test_necks_of_what_is_thin_in_voxels_and_thick_in_space_are_seen():
    """Two cylinders that overlap, seven slices high: less than their neck is wide in voxels, more in space."""
    _, y, x = np.ogrid[:9, :33, :60]
    volume = np.zeros((9, 33, 60), np.float32)
    volume[1:8] = sum((y - 16) ** 2 + (x - at) ** 2 < 15**2 for at in (17, 41))[0] > 0
    found = {step: by_blocks(volume, volume.shape, None, (step, 1, 1), dimensions=3, neck=0.8) for step in (1, 4)}
    assert found[1].max() == 1 and found[4].max() == 2


def test_objects_grow_across_blocks():
    volume = np.zeros((1, 24, 24), np.float32)
    volume[0, 6:18, 6:16] = 1
    np.testing.assert_array_equal(by_blocks(volume, (1, 8, 8), grow=3)[0], segment(volume[0], grow=3)[0])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 9999),
    st.tuples(st.integers(1, 3), st.integers(3, 14), st.integers(3, 14)),
    st.lists(st.tuples(st.integers(1, 18), st.integers(1, 21)), min_size=3, max_size=3),
    st.sampled_from([{}, {"seed_threshold": 0.6}, {"neck": 0.8}, {"neck": 0.8, "seed_threshold": 0.55}]),
    st.booleans(),
    st.sampled_from([0, 2]),
)
def test_images_of_different_sizes_as_each_alone(seed, block, sizes, how, fill_holes, grow):
    volume = probability(seed, (3, 18, 21))
    for one, (height, width) in zip(volume, sizes):
        one[height:], one[:, width:] = 0, 0
    options = how | {"min_size": 3, "fill_holes": fill_holes, "grow": grow}
    found = by_blocks(volume, block, size=lambda z: sizes[z], reach=30, **options)
    for z, (height, width) in enumerate(sizes):
        assert same_partition(found[z, :height, :width], segment(volume[z, :height, :width], **options)[0])
        assert not found[z, height:].any() and not found[z, :, width:].any()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 9999),
    st.tuples(st.integers(1, 3), st.integers(3, 14), st.integers(3, 14)),
    st.sampled_from([{}, {"seed_threshold": 0.6}, {"neck": 0.9}]),
    st.integers(0, 6),
    st.booleans(),
)
def test_objects_of_several_classes_are_those_of_each(seed, block, seeds, min_size, fill_holes):
    """In slices: what each class has of the pixels in objects, for itself, numbered one class after the other."""
    volume, classes = probability(seed, (2, 18, 21)), np.random.default_rng(seed).integers(1, 4, (2, 3, 3))
    classes = classes.repeat(6, axis=1).repeat(7, axis=2)
    options = {"min_size": min_size, "fill_holes": fill_holes} | seeds
    found, counts = by_blocks(volume, block, classes=classes, reach=64, **options)
    first = np.cumsum([0, *counts])
    for z, (one, of_pixels) in enumerate(zip(volume, classes)):
        filled = binary_fill_holes(one > 0.5, np.ones((3, 3))) if fill_holes else one > 0.5
        expected, of_each = segment(one, classes=of_pixels, number=3, **options)
        for number in (1, 2, 3):
            low, high = first[number - 1 : number + 1]
            alone = filled & (of_pixels == number)
            of_class = np.where((found[z] > low) & (found[z] <= high), found[z], 0)
            before = sum(of_each[: number - 1])
            in_slice = np.where((expected > before) & (expected <= before + of_each[number - 1]), expected, 0)
            assert same_partition(of_class, in_slice)
            assert not (of_class > 0)[~alone].any()
            if not seeds and not min_size:
                assert same_partition(of_class, components(alone)[0])
    assert len(np.unique(found[found > 0])) == sum(counts)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9999), st.tuples(st.integers(1, 3), st.integers(3, 14), st.integers(3, 14)))
def test_objects_of_several_classes_in_space(seed, block):
    volume, classes = probability(seed, (4, 12, 14)), np.random.default_rng(seed).integers(1, 4, (2, 3, 2))
    classes = classes.repeat(2, axis=0).repeat(4, axis=1).repeat(7, axis=2)
    found, counts = by_blocks(volume, block, classes=classes, dimensions=3)
    first = np.cumsum([0, *counts])
    for number, low, high in zip((1, 2, 3), first, first[1:]):
        of_class = np.where((found > low) & (found <= high), found, 0)
        assert same_partition(of_class, components((volume > 0.5) & (classes == number))[0])
