"""The state of a training in one safetensors file, so that it can go on to the same bytes."""

import json
import os
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file


def save(path, weights, optimizer, notes):
    """Write ``weights`` (part -> name -> tensor), the state of ``optimizer`` and ``notes`` (what JSON can hold) to
    ``path``, by rename."""
    tensors = {f"{part}.{name}": tensor for part, named in weights.items() for name, tensor in named.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items() if value is not None}
    meta = {key: json.dumps(value) for key, value in notes.items()}
    partial = Path(f"{path}.partial")
    save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, partial, meta)
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def load(path, optimizer, device):
    """What `save` wrote: (weights, notes); the state of ``optimizer`` is put into it."""
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
    return weights, notes
