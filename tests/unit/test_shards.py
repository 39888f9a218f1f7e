"""Files of blocks: what is not read back as it was written, or spoiled later, is noticed."""

import numpy as np
import pytest
from unetflow.blocks import Grid
from unetflow.images.ngff import create_plain
from unetflow.volumes.shards import Shards

GRID = Grid((2, 32, 32), (2, 32, 32))


@pytest.fixture(params=["float16", "float32", "uint8", "int64"])
def shards(request, tmp_path):
    create_plain(tmp_path / "store", array=(GRID.shape, request.param), shard=GRID.block)
    return Shards(tmp_path / "store/array", tmp_path / "done.jsonl")


def values(dtype):
    return np.random.default_rng(0).integers(0, 200, GRID.shape).astype(dtype)


class Forgetful:
    """An array on a disk that loses one voxel."""

    def __init__(self, array):
        self.array = array

    def __getitem__(self, where):
        return Forgetful(self.array[where])

    def write(self, values):
        kept = values.copy()
        kept[-1, -1, -1] += 1
        return self.array.write(kept)

    def __getattr__(self, name):
        return getattr(self.array, name)


def test_a_block_that_reads_back_otherwise_is_no_block(shards):
    whole, sound = values(shards.metadata.dtype.to_native_dtype()), shards.array
    shards.array = Forgetful(sound)
    with pytest.raises(OSError, match="does not read back as it was written; check the disk"):
        shards.write(GRID[0], whole)
    assert not shards.holds(GRID[0])
    shards.array = sound
    shards.write(GRID[0], whole)
    assert shards.holds(GRID[0])


def test_zeros_are_written_too(shards):
    """Otherwise a lost file would read as zeros."""
    shards.write(GRID[0], np.zeros_like(values(shards.metadata.dtype.to_native_dtype())))
    assert shards.holds(GRID[0])


def test_a_changed_byte_is_not_read(shards):
    shards.write(GRID[0], values(shards.metadata.dtype.to_native_dtype()))
    file = shards.file(GRID[0])
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 1
    file.write_bytes(content)
    assert not shards.holds(GRID[0])
    with pytest.raises(Exception, match=r"(?i)checksum|digest|corrupt|decompress"):
        shards[(slice(None),) * 3]
