"""Overlap-tile prediction of arrays: the same numbers whatever the tile."""

import numpy as np
import torch

from . import symmetries
from .tiles import fitting_tile, read_window, tiles

DEFAULT_TILE = (384, 384)


@torch.inference_mode()
def predict(model, image, tile=None, tta=None):
    """Class probabilities of an image or of every slice of a stack.

    Parameters
    ----------
    model : a network of `unetflow.models`; its ``normalisation`` (mean, sd), if it has one, is applied first. It is
        put into evaluation mode and runs where its weights are.
    image : number[y, x] or [z, y, x], of any size down to one pixel.
    tile : (y, x) pixels written per tile, multiples of ``model.stride``; 384 x 384 by default.
    tta : names of `unetflow.symmetries` over which probabilities are averaged; by default the identity alone.

    Returns
    -------
    float32[class, y, x] or [class, z, y, x].

    Raises ValueError for images of other dimensions and for tiles that would show.
    """
    image = np.asarray(image)
    if image.ndim == 3:
        return np.stack([predict(model, one, tile, tta) for one in image], axis=1)
    if image.ndim != 2 or not image.size:
        raise ValueError(f"an image is [y, x] or [z, y, x] and not empty; this one is {image.shape}")
    model.eval()
    tile = fitting_tile(image.shape, tile or DEFAULT_TILE, model.stride)
    result = None
    for part in tiles(image.shape, tile, model):
        window = normalised(read_window(image, part.read_start, part.read_shape), model)
        probability = mean_over_symmetries(model, window, tta or ["0"])
        if result is None:
            result = np.empty((len(probability), *image.shape), np.float32)
        height, width = (s.stop - s.start for s in part.write)
        result[:, *part.write] = probability[:, :height, :width]
    return result


def normalised(window, model):
    """``window`` in float32, less the data set's mean and divided by its standard deviation."""
    mean, sd = getattr(model, "normalisation", (0.0, 1.0))
    return (window.astype(np.float32) - np.float32(mean)) / np.float32(sd)


def mean_over_symmetries(model, window, names):
    """float32[class, y', x'], the mean of the softmax over the named symmetries of one input window float32[y, x]."""
    total = 0.0
    for name in names:
        total = total + symmetries.undo(name, softmax(model, symmetries.apply(name, window)))
    return total / np.float32(len(names))


def softmax(model, window):
    """float32[class, y', x'] for one input window float32[y, x]."""
    parameter = next(model.parameters())
    inputs = torch.from_numpy(np.ascontiguousarray(window))[None, None].to(parameter.device, parameter.dtype)
    return torch.softmax(model(inputs).float(), dim=1)[0].cpu().numpy()
