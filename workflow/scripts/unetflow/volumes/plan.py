"""What predicting a volume takes, known before it begins: blocks, files, bytes, memory, operations."""

from collections import Counter
from hashlib import sha256
from math import prod

import torch
from torch.utils.flop_counter import FlopCounterMode

from .. import memory
from ..blocks import Grid, fitting_block
from ..errors import InputError
from ..inference import input_shape
from ..normalisation import moments
from ..tiles import fitting_tile, mirror_index


def lay_out(source, network, options, room):
    """How a volume will be cut, and what that costs: a dict that can be written as JSON, the same on every machine
    that leaves ``room`` bytes for a job.

    source : `sources.Source`. options : the `prediction` entry of the configuration. Raises InputError if no tile
    fits the memory.
    """
    block = fitting_block(source.shape, options["block"], network.stride)
    check_sizes(source, network)
    fixed = memory.buffer_bytes(source, network, block, options)
    tile = tuple(options["tile"] or memory.best_tile(network, block[1:], room - fixed))
    tile = fitting_tile(block[1:], tile, network.stride)
    grid, window = Grid(source.shape, block), memory.window_shape(network, tile)
    work = work_of(source, block, tile, network)
    full_tiles = work["pixels"] / prod(window)
    voxels_read = round(work["voxels_read"] * often_read(grid, network)) * len(source.channel_range)
    return {
        "shape": list(source.shape),
        "middle": checksum(source),
        "moments": moments(source.sample(), source.channels),
        "block": list(block),
        "tile": list(tile),
        "blocks": len(grid),
        "files": len(grid),
        "voxels": work["voxels"],
        "tiles": work["tiles"],
        "full_tiles": round(full_tiles, 3),  # that take as long, since those at borders may be smaller
        "bytes_read": voxels_read * source.dtype.itemsize,
        "bytes_written_at_most": prod(source.shape) * memory.stored_bytes(network, options),
        "bytes_of_memory": fixed + memory.network_bytes(network, window),
        "operations": round(full_tiles * len(options["symmetries"]) * operations(network, window)),
        "share_of_border": round(1 - work["voxels"] / work["pixels"], 4),
    }


def check_sizes(source, network):
    """Raise InputError if ``network`` sees the neighbours of slices that are images of different sizes."""
    if network.neighbours and len(set(source.sizes)) > 1:
        raise InputError(
            f"{source.name} holds images of different sizes, but the network sees the slices above and below as well; "
            f"take one that was trained without `neighbours`"
        )


def often_read(grid, network):
    """How often a slice is read in the mean: more than once where blocks see slices of those above and below."""
    return 1 + 2 * network.neighbours * (grid.counts[0] - 1) / grid.shape[0]


def work_of(source, block, tile, network):
    """What is to be done, in all: tiles, pixels of their input windows, voxels read, and voxels of the images."""
    total = Counter()
    for size, slices in Counter(map(source.size, range(source.shape[0]))).items():
        rows, columns = (along(*sizes, network) for sizes in zip(size, block[1:], tile))
        total.update({kind: slices * rows[kind] * columns[kind] for kind in rows})
    return total


def along(size, block, tile, network):
    """The same along one axis of a slice of ``size`` voxels, which is cut into blocks, and these into tiles that are
    no larger than what they fill."""
    done = Counter(voxels=size)
    for start in range(0, size, block):
        length = min(block, size - start)
        (side,) = fitting_tile((length,), (tile,), network.stride)
        tiles = -(-length // side)
        read = mirror_index(start - network.context, input_shape((length,) * 2, (side,) * 2, network)[0], size)
        pixels = tiles * memory.window_shape(network, (side, side))[0]
        done.update(tiles=tiles, pixels=pixels, voxels_read=int(read.max() - read.min()) + 1)
    return done


def checksum(source):
    """What the voxels in the middle of a volume are known again by."""
    return sha256(source.middle().tobytes()).hexdigest()[:16]


def check_unchanged(source, plan):
    """Raise InputError if the volume was replaced after it was planned, as far as shape and middle show it."""
    if list(source.shape) != plan["shape"]:
        raise InputError(
            f"{source.name} has shape {source.shape}, but {plan['shape']} when it was planned; run the same command "
            f"with --forcerun plan_volume"
        )
    if checksum(source) != plan["middle"]:
        raise InputError(
            f"{source.name} holds other voxels in its middle than when it was planned; run the same command with "
            f"--forcerun plan_volume"
        )


def operations(network, window):
    """Floating-point operations of one pass over an input window (y, x); a multiplication with addition counts as 2."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        memory.ghost(network)(torch.empty(1, network.in_channels, *window, device="meta"))
    return counter.get_total_flops()


def in_words(name, plan):
    """The plan as lines for people."""
    shape, block, tile = (" x ".join(map(str, plan[key])) for key in ("shape", "block", "tile"))
    giga = {key: value / 1e9 for key, value in plan.items() if key.startswith("bytes")}
    yield f"{name}: {shape} voxels in {plan['blocks']} blocks of {block}, {plan['files']} files at full resolution"
    yield f"reads {giga['bytes_read']:.3g} GB, writes at most {giga['bytes_written_at_most']:.3g} GB before compression"
    yield (
        f"tiles of {tile}, {100 * plan['share_of_border']:.0f} % of the computation is their border; "
        f"{giga['bytes_of_memory']:.2f} GB of memory per job, however large the volume, and that of the libraries"
    )
    yield f"{plan['operations']:.3g} operations"
