"""The store of a slab: one file per block, written whole and read back."""

from pathlib import Path

import numpy as np
import zarr

from .ngff import create_image

CLASSES = ("background", "object")


class Shards:
    """The store of a slab: an array of the whole volume's shape, of which only some files exist, one per block."""

    def __init__(self, path, source, network, grid, stored):
        self.path = Path(path)
        if not (self.path / "0/zarr.json").is_file():
            dtype = "uint8" if stored == "argmax" else stored
            shape = source.shape if stored == "argmax" else (network.classes, *source.shape)
            channels = None if stored == "argmax" else CLASSES
            create_image(path, shape, dtype, source.voxel_size, source.unit, channels, grid.block)
            zarr.open_group(path, mode="a").attrs["unetflow"] = {
                "stored": stored,
                "model": network.description["weights_sha256"],
                "source": source.name,
                "device": next(network.parameters()).device.type,
            }
        self.array = zarr.open_group(self.path, mode="a")["0"]

    def file(self, block):
        place = (*[0] * (self.array.ndim - 3), *block.place)
        return self.path / "0" / self.array.metadata.encode_chunk_key(place)

    def bytes_of(self, block):
        """The block's file as bytes; none if it isn't there."""
        return self.file(block).read_bytes() if self.file(block).is_file() else b""

    def write(self, block, values):
        """Write a block, read it back, and return its file's bytes."""
        self.file(block).unlink(missing_ok=True)  # a broken one would be read, since blocks at the border fill a part
        where = (..., *block.slices)
        self.array[where] = values
        if not np.array_equal(self.array[where], values):
            raise OSError(f"{self.file(block)} does not read back as it was written; check the disk")
        return self.bytes_of(block)
