"""Arrays whose files are the blocks of a volume: written whole, read back, and kept when a job is interrupted."""

from pathlib import Path

import numpy as np
import zarr

from .. import SPREAD
from ..files import to_disk
from ..images.ngff import create_image, create_plain, open_quickly
from ..jobs import Journal


def channels(network, options):
    """Names of what is kept of a prediction by the `prediction` entry ``options``, or None for the class alone."""
    if options["store"] == "argmax":
        return None
    return network.channels + ((SPREAD,) if options["spread"] else ())


class Shards:
    """An array [..., z, y, x] with one file per block, and a journal of the files that are whole.

    array : path of the array. journal : path of the file that outlives an interrupted job; what it says was written is
    kept, and all else is written anew.
    """

    def __init__(self, array, journal):
        self.path, self.journal = Path(array), Journal(journal)
        self.metadata, self.array = zarr.open_array(array, mode="r").metadata, open_quickly(array)

    def __getitem__(self, where):
        return self.array[where].read().result()

    def file(self, block):
        place = (*[0] * (self.array.rank - 3), *block.place)
        return self.path / self.metadata.encode_chunk_key(place)

    def holds(self, block):
        """Whether the block's file is just as it was written."""
        file = self.file(block)
        return file.is_file() and self.journal.holds(str(block.place), file.read_bytes())

    def write(self, block, values):
        """Write a block to disk, read it back, and note its file's checksum."""
        file, where = self.file(block), (..., *block.slices)
        file.unlink(missing_ok=True)  # a broken one would be read, since blocks at the border fill a part
        self.array[where].write(values.astype(self.array.dtype.numpy_dtype, copy=False)).result()
        if not equal(self[where], values):
            raise OSError(f"{file} does not read back as it was written; check the disk")
        to_disk(file)  # here, while the next block is computed, and not for all files at the end of the job
        self.journal.note(str(block.place), file.read_bytes())

    def kept(self, block, make):
        """The values of a block: those of an interrupted job, or those of ``make()``, which are then written."""
        if self.holds(block):
            return self[(..., *block.slices)]
        values = make()
        self.write(block, values)
        return values


def equal(one, other):
    """Whether two arrays hold the same; float16 is compared by its bits, which takes a tenth of the time."""
    return np.array_equal(*(a.view(np.int16) if a.dtype == np.float16 else a for a in (one, other)))


def prediction_shards(folder, source, network, grid, options):
    """The store of a slab in the state folder ``folder``: an OME-Zarr image of the whole volume's shape.

    options : the `prediction` entry.

    Only the slab's files will exist in it.
    """
    path = Path(folder, "prediction.zarr")
    if not (path / "0/zarr.json").is_file():
        names, dtype = channels(network, options), "uint8" if options["store"] == "argmax" else options["store"]
        shape = (len(names), *source.shape) if names else source.shape
        create_image(path, shape, dtype, source.voxel_size, source.unit, names, grid.block)
    zarr.open_group(path, mode="a").attrs["unetflow"] = {
        "stored": options["store"],
        "classes": network.channels,
        "model": network.description["weights_sha256"],
        "source": source.name,
        "device": next(network.parameters()).device.type,
        "slices": source.slices,
    }
    return Shards(path / "0", Path(folder, "done.jsonl"))


def scratch_shards(folder, name, grid):
    """An int64[z, y, x] array of the volume's shape in the state folder ``folder``, for labels on their way."""
    path = Path(folder, name)
    if not (path / "array/zarr.json").is_file():
        create_plain(path, array=(grid.shape, np.int64), shard=grid.block)
    return Shards(path / "array", Path(folder, f"{name}.jsonl"))
