"""Model files: weights as safetensors, beside a small JSON that says what they are. No pickle is ever loaded."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes

from .. import BACKGROUND, BORDER
from ..errors import InputError, first_line
from ..models import blueprint
from ..quantisation import expect
from . import packages


def save(path, weights, description):
    """Write ``weights`` (name -> tensor) to ``path`` and ``description`` with their sha256 to the JSON beside it."""
    path = Path(path)
    path.write_bytes(to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}))
    described = description | {"weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(described, indent=2, sort_keys=True) + "\n")


def load(path, device="cpu"):
    """The network of ``path`` in evaluation mode, with ``.normalisation``, the (mean, sd) of grey values or None if
    each image was normalised by its own, ``.channels``, the names of its classes, and ``.description``.

    path : a .safetensors file, or a package (`packages`). Raises InputError if the files don't belong together or
    aren't what they should be.
    """
    description, weights = packages.describe(path), packages.weights(path)
    if hashlib.sha256(weights).hexdigest() != description["weights_sha256"]:
        raise InputError(f"{path} does not hold the weights that its description names; train or fetch it again")
    try:
        model = blueprint(**description["architecture"])
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} is of a network that can't be built ({error}); use the version it is of") from error
    try:
        tensors = from_bytes(weights)
        expect(model, tensors)
        model.load_state_dict(tensors, assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{path} does not hold the weights of the network in its description ({first_line(error)}); take "
            f"both from the same training"
        ) from error
    model.normalisation = described(description["normalisation"])
    model.channels = (BACKGROUND, *packages.objects_of(description), BORDER)[: model.classes]
    model.description = description
    return model.float().to(device, memory_format=torch.channels_last).eval()  # whatever the file's numbers are


def description_of(normalisation):
    """What a description says of a network's ``normalisation``: (mean, sd), or None."""
    return {"by": "group"} if normalisation is None else dict(zip(("mean", "sd"), normalisation))


def described(normalisation):
    """The (mean, sd), or None, of which a description says ``normalisation``."""
    return None if normalisation.get("by") == "group" else (normalisation["mean"], normalisation["sd"])
