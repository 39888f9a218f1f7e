"""How much memory a job may use, how much a network needs for a tile, and the tile that makes the best of it."""

import copy
import ctypes
import math
import resource
import weakref
from math import prod
from pathlib import Path

import psutil
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .errors import InputError
from .inference import ENCODINGS, WRITERS
from .models.ensemble import Ensemble
from .tiles import even_part

LARGEST_TILE = 1536  # pixels per side; larger ones are reported to be no faster
# What the allocator and the convolutions' scratch space add to the tensors; measured: 1.11 to 1.27 in channels_last.
OVERHEAD, SCRATCH = 1.3, 64 * 2**20
ADDRESSES = 400 * 2**20  # address space that threads and libraries loaded later take without filling it
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available(mem_mb=None, device="cpu"):
    """Bytes that this process may still use: what the tightest of all limits leaves.

    mem_mb : memory promised to the job (10^6 bytes), or None. The limits are that, the control group's, the address
    space's and data segment's (ulimit), and the machine's memory; on a GPU, the GPU's free memory instead.
    """
    if device != "cpu":
        return torch.cuda.mem_get_info()[0]
    used = psutil.Process().memory_info()
    left = [int(0.9 * psutil.virtual_memory().total) - used.rss]
    if mem_mb:
        left.append(int(mem_mb) * 10**6 - used.rss)
    left += [int(text) - used.rss for text in map(_content, CGROUP_FILES) if text.isdigit()]
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            left.append(limit - used.vms - ADDRESSES)
    return min(left)


def keep_what_is_freed():
    """Let the C library keep the memory of freed tensors for the next ones.

    glibc gives large blocks back to the system, which clears every page anew when they are asked for again: 7 % of
    the time of a training step on a CPU (docs/log.md). Other C libraries have no such switch.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def _content(path):
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def network_bytes(model, shape):
    """Bytes that ``model`` needs for one input window of ``shape`` (y, x), its weights not counted.

    The network is run on tensors without data, and the sizes of those alive at the same time are added up. Members of
    an ensemble count together, since OpenVINO keeps the buffers of each.
    """
    if isinstance(model, Ensemble):
        return sum(network_bytes(member, shape) for member in model.members)
    with torch.inference_mode(), Ledger() as ledger:
        ghost(model)(torch.empty(1, model.in_channels, *shape, device="meta"))
    return int(OVERHEAD * ledger.peak) + SCRATCH


def training_bytes(model, batch, shape):
    """Bytes that a training step of ``model`` needs for ``batch`` images of ``shape`` (y, x), weights, their mean, the
    gradient and the state of AdamW included."""
    network = ghost(model).train()
    with Ledger() as ledger:
        network(torch.empty(batch, model.in_channels, *shape, device="meta")).sum().backward()
    held = 4 * sum(weights.nbytes for weights in network.parameters())
    return int(OVERHEAD * ledger.peak) + held + SCRATCH


def ghost(model):
    """A copy of the network whose tensors have shapes but no data: it computes nothing, in no time."""
    return copy.deepcopy(model).to("meta").eval()


class Ledger(TorchDispatchMode):
    """Adds up the bytes of all tensors that are alive; their highest sum is ``peak``."""

    def __init__(self):
        super().__init__()
        self.alive, self.now, self.peak = {}, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.enter(tensor.untyped_storage())
        return result

    def enter(self, storage):
        if storage._cdata not in self.alive:
            self.alive[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.leave, storage._cdata)

    def leave(self, key):
        self.now -= self.alive.pop(key, 0)


def buffer_bytes(source, network, block, options):
    """Bytes beside the network: two windows, what is decoded to read one, a result, those being written, each with its
    compressed copy and what is read back of it, one slice of probabilities.

    options : the `prediction` entry.
    """
    slices = block[0] + 2 * network.neighbours
    voxels = slices * prod(size + 2 * network.context + network.stride for size in block[1:])
    window = voxels * len(source.channel_range) * source.dtype.itemsize
    writers = WRITERS[next(network.parameters()).device.type]
    results = (1 + 3 * writers) * prod(block) * stored_bytes(network, options)
    return 3 * window + decoding_bytes(source) + results + 8 * (network.classes + options["spread"]) * prod(block[1:])


def decoding_bytes(source):
    """Bytes that it takes to read a voxel: what is decoded at once (a chunk, a strip or tile, a whole PNG), beside
    its compressed form and copies. Measured with TIFF files of one strip, of 32 and 72 MB: 1 to 4.4 times that."""
    return 5 * prod(getattr(source.array, "chunks", None) or ()) * source.dtype.itemsize


def stored_bytes(network, options):
    """Bytes per voxel of the prediction before compression."""
    return ENCODINGS[options["store"]](torch.zeros(network.classes + options["spread"], 1, 1)).nbytes


def best_tile(model, area, room):
    """(y, x) written per tile: the largest that divides ``area`` (y, x) evenly and whose network fits ``room`` bytes.

    Larger tiles waste less on their border. Raises InputError if not even the smallest fits.
    """
    last = None
    for parts in range(math.ceil(max(area) / LARGEST_TILE), max(area) // model.stride + 1):
        tile = tuple(even_part(size, parts, model.stride) for size in area)
        if tile != last and network_bytes(model, window_shape(model, tile)) <= room:
            return tile
        last = tile
    needed = network_bytes(model, window_shape(model, (model.stride, model.stride)))
    raise InputError(
        f"{max(room, 0) / 1e6:.0f} MB are left for the network, but the smallest tile needs {needed / 1e6:.0f} MB; "
        f"raise the memory limit or train a narrower network"
    )


def window_shape(model, tile):
    """(y, x) of the input window of a tile that writes ``tile`` (y, x)."""
    return model.valid_shape(tuple(size + 2 * model.context for size in tile))
