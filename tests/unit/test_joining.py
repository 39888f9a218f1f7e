"""Components found by blocks are those of the whole volume, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from unetflow.blocks import Grid
from unetflow.objects import neighbourhood
from unetflow.volumes.joining import Components, straight_cuts


def same_partition(one, other):
    """Whether two label images are equal up to the numbering."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return all(len(np.unique(row)) == pairs.shape[1] for row in pairs) and ((one == 0) == (other == 0)).all()


class InMemory:
    """Stands in for `shards.Shards`."""

    def __init__(self, shape):
        self.array = np.zeros(shape, np.int64)

    def __getitem__(self, where):
        return self.array[where]

    def kept(self, block, make):
        self.array[block.slices] = make()
        return self.array[block.slices]


def joined(mask, block, neighbours, workers=1):
    return Components(lambda b: mask[b.slices], InMemory(mask.shape), Grid(mask.shape, block), neighbours, workers)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(*[st.integers(1, n) for n in (5, 12, 12)]),
    st.tuples(*[st.integers(1, n) for n in (4, 7, 7)]),
    st.floats(0.1, 0.7),
    st.sampled_from([(2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]),
    st.integers(0, 2**16),
)
def test_blocks_dont_show(shape, block, density, kind, seed):
    mask = np.random.default_rng(seed).random(shape) < density
    neighbours = neighbourhood(*kind)
    result = joined(mask, block, neighbours)
    whole, count = label(mask, neighbours)
    found = result.read((0, 0, 0), shape)
    assert same_partition(found, whole)
    assert len(result.sizes) == count and set(np.unique(found)) - {0} == set(range(1, count + 1))
    np.testing.assert_array_equal(result.sizes, np.bincount(found.ravel(), minlength=count + 1)[1:])


def test_any_number_of_workers_gives_the_same_numbers():
    mask = np.random.default_rng(0).random((6, 30, 30)) < 0.4
    one, many = (joined(mask, (2, 8, 8), neighbourhood(3, 1), workers) for workers in (1, 4))
    np.testing.assert_array_equal(one.read((0, 0, 0), mask.shape), many.read((0, 0, 0), mask.shape))


def test_a_snake_through_all_blocks_is_one_object():
    mask = np.zeros((1, 33, 33), bool)
    mask[0, ::4] = True
    mask[0, 1:4, -1] = mask[0, 5:8, 0] = True
    for row in range(0, 32, 4):
        mask[0, row : row + 4, -1 if row % 8 == 0 else 0] = True
    assert len(joined(mask, (1, 8, 8), neighbourhood(2, 1)).sizes) == 1


def test_components_at_the_border():
    mask = np.zeros((3, 20, 20), bool)
    mask[1, 5:8, 5:8] = mask[0, 0:3, 10:12] = True
    result = joined(mask, (2, 8, 8), neighbourhood(2, 1))
    inside, outside = result.read((1, 6, 6), (2, 7, 7)).item(), result.read((0, 1, 10), (1, 2, 11)).item()
    assert not result.at_border((1, 2))[inside] and result.at_border((1, 2))[outside]
    assert result.at_border((0,))[outside]


@pytest.mark.parametrize("broken", [True, False])
def test_straight_cuts_are_seen(broken):
    """An object through a face, numbered apart on both sides by a careless tool, and one that is whole."""
    labels = np.zeros((1, 16, 32), int)
    labels[0, 2:14, 4:28] = 1
    if broken:
        labels[0, 2:14, 16:28] = 2
    cut, faces = straight_cuts(labels, Grid(labels.shape, (1, 16, 16)), (1, 2), lambda z: labels.shape[1:])
    assert cut == ({1, 2} if broken else set()) and faces == 1


def test_objects_that_end_with_their_image_are_not_cut():
    """At a face between blocks, where a larger image goes on."""
    labels = np.zeros((2, 16, 32), int)
    labels[0, 2:14, 4:16] = 1
    labels[1, 2:14, 4:16] = 2
    cut, _ = straight_cuts(labels, Grid(labels.shape, (2, 16, 16)), (1, 2), lambda z: ((16, 16), (16, 32))[z])
    assert cut == {2}
