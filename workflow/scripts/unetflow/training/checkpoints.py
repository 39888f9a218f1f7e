"""The state of a training in one safetensors file, so that it can go on to the same bytes."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

REST = 20  # times as long as a file took to write until the next one is: with a GPU it takes as long as a hundred steps


class Saver:
    """Writes the state of a training to ``path`` by a thread beside, as a context that ends when the last is written.

    Called more often than its `REST` allows, it does nothing.
    """

    def __init__(self, path):
        self.path, self.thread, self.writing = Path(path), ThreadPoolExecutor(1), None

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        self.thread.shutdown()
        if self.writing and not failed:
            self.writing.result()

    def __call__(self, weights, optimizer, notes):
        """Copy, to be written, ``weights`` (part -> name -> tensor), the state of ``optimizer`` and ``notes`` (what
        JSON can hold)."""
        if self.rests():
            return
        began = time.monotonic()
        copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in named(weights, optimizer).items()}
        meta = {key: json.dumps(value) for key, value in notes.items()}
        self.writing = self.thread.submit(self.write, copies, meta, began)

    def rests(self):
        """Whether the last file is still being written, or was only just. Raises the error that it met."""
        if self.writing is None or not self.writing.done():
            return self.writing is not None
        began, ended = self.writing.result()
        return time.monotonic() - ended < REST * (ended - began)

    def write(self, tensors, meta, began):
        """Write a file by rename when it is on disk; returns when that began and when it ended."""
        partial = Path(f"{self.path}.partial")
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, meta)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, self.path)
        return began, time.monotonic()


def named(weights, optimizer):
    """dict name -> tensor of all that a `Saver` writes."""
    tensors = {f"{part}.{name}": tensor for part, of_part in weights.items() for name, tensor in of_part.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items() if value is not None}
    return tensors


def load(path, optimizer, device):
    """What a `Saver` wrote: (weights, notes); the state of ``optimizer`` is put into it."""
    with safe_open(path, "pt", device=str(device)) as file:
        notes = {key: json.loads(value) for key, value in file.metadata().items()}
        weights = {}
        for key in file.keys():
            part, name = key.split(".", 1)
            weights.setdefault(part, {})[name] = file.get_tensor(key)
    state = {}
    for name, tensor in weights.pop("optimizer", {}).items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, moments in optimizer.state.items():
        moments |= {key: laid_out_as(parameter, value) for key, value in moments.items()}
    return weights, notes


def laid_out_as(parameter, moment):
    """``moment`` with its channels first or last in memory as those of ``parameter``: fused optimisers ask for it."""
    return torch.empty_like(parameter).copy_(moment) if moment.shape == parameter.shape else moment
