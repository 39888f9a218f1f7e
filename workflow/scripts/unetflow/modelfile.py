"""Model files: weights as safetensors, beside a small JSON that says what they are. No pickle is ever loaded."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from .errors import InputError
from .models import build


def save(path, weights, description):
    """Write ``weights`` (name -> tensor) to ``path`` and ``description`` with their sha256 to the JSON beside it."""
    path = Path(path)
    path.write_bytes(to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}))
    described = description | {"weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(described, indent=2, sort_keys=True) + "\n")


def load(path, device="cpu"):
    """The network of ``path`` in evaluation mode, with ``.normalisation`` (mean, sd) and ``.description``.

    Raises InputError if the files don't belong together or aren't what they should be.
    """
    path = Path(path)
    description = describe(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != description["weights_sha256"]:
        raise InputError(f"{path} is not the file that {path.with_suffix('.json').name} describes; train it again")
    model = build(**description["architecture"])
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{path} does not hold the weights of the network in its JSON file ({str(error).splitlines()[0]})"
        ) from error
    model.normalisation = (description["normalisation"]["mean"], description["normalisation"]["sd"])
    model.description = description
    return model.to(device, memory_format=torch.channels_last).eval()


def describe(path):
    """The JSON beside the weights. Raises InputError if it or the weights are missing or unreadable."""
    path = Path(path)
    for needed in (path, path.with_suffix(".json")):
        if not needed.is_file():
            raise InputError(f"{needed} is missing; a model is a .safetensors file and the .json of the same name")
    try:
        return json.loads(path.with_suffix(".json").read_text())
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.with_suffix('.json')} is not JSON ({error}); take the one made with the weights"
        ) from error
