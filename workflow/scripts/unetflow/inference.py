"""Overlap-tile prediction: the same numbers whatever the tile, for arrays and for volumes larger than memory."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from itertools import groupby, product

import numpy as np
import torch

from . import symmetries
from .blocks import read_mirrored
from .engines import ENGINES, choose
from .gpu import Mosaic, to_device
from .models.ensemble import Ensemble
from .normalisation import moments as moments_of
from .normalisation import per_channel, repeated
from .tiles import fitting_tile, read_window, tiles

DEFAULT_TILE = (768, 768)  # at most
WRITERS = {"cpu": 1, "cuda": 4}  # threads that compress and write blocks; one is slower than a GPU
# How probabilities, a tensor float32[class, ...], are stored: values of the type, or the most probable class.
ENCODINGS = {
    "float32": lambda p: p,
    "float16": lambda p: p.half(),
    "uint8": lambda p: (p * 255).round().to(torch.uint8),
    "argmax": lambda p: p.argmax(dim=0).to(torch.uint8),
}


class Predictor:
    """A network ready to be applied: float32[channel, y', x'] of one input window [y, x] or, of several channels,
    [c, y, x]; a tensor where it runs. A GPU may still be computing it.

    Its channels are the probabilities of the network's classes, means over all views, and with ``spread`` one more:
    the standard deviation of the probability of an object, which is that of background, over the views. A view is a
    symmetry as seen by the network, or by one member of an `Ensemble`.

    model : a network of `unetflow.models`; its ``normalisation``, if it has one, is applied first. It is put into
        evaluation mode and runs where its weights are.
    tta : names of `unetflow.symmetries` over which the softmax is averaged; the identity alone by default.
    precision : "bfloat16" runs the arithmetic of the network in it, but for the ends (`models.ExactConv2d`), where the
        processor has it; "int8" runs it in integers, by OpenVINO (`quantisation`).
    engine : one of `engines.ENGINES`, or "auto" for the fastest one.
    moments : the image's `normalisation.moments`, for a model whose ``normalisation`` is None, since it was trained on
        images each normalised by their own; see also `for_slice`.
    """

    def __init__(self, model, tta=None, precision="float32", engine="torch", spread=False, moments=None):
        self.model, self.spread, self.device = model.eval(), spread, next(model.parameters()).device
        kind = ENGINES[choose(engine, model, self.device.type)]
        members = model.members if isinstance(model, Ensemble) else [model]
        self.views = list(product([kind(member, precision) for member in members], tta or ["0"]))
        self.normalisation = getattr(model, "normalisation", (0.0, 1.0))
        self.normalise_by(self.normalisation or moments)

    def normalise_by(self, moments):
        self.moments = repeated(moments, self.model.in_channels)
        self.mean, self.sd = (torch.as_tensor(per_channel(values)).to(self.device) for values in self.moments)

    @property
    def channels(self):
        return self.model.classes + self.spread

    def for_slice(self, source, z):
        """This predictor for the slice ``z`` of a `sources.Source`: by the slice's own moments, if it is a file of its
        own and the model was trained on such."""
        if self.normalisation or not source.files:
            return self
        own = copy(self)
        own.normalise_by(source.moments_of_slice(z))
        return own

    @torch.inference_mode()
    def __call__(self, window):
        # Sent as it is stored: a GPU makes float32 of it in no time, and waits for less.
        stored = np.require(window, window.dtype.newbyteorder("="), ["C", "W"])
        image = to_device(torch.from_numpy(stored), self.device).to(torch.float32)
        image = image.reshape(1, self.model.in_channels, *image.shape[-2:]).sub(self.mean).div_(self.sd)
        mean = self.probability(image, *self.views[0])
        squares = torch.zeros_like(mean[0])  # of the distances from the mean, by Welford's recurrence
        for number, view in enumerate(self.views[1:], 2):
            seen = self.probability(image, *view)
            off = seen[0] - mean[0]
            mean.lerp_(seen, 1 / number)
            squares.addcmul_(off, seen[0] - mean[0])
        if self.spread:
            mean = torch.cat([mean, squares.div_(len(self.views)).sqrt_()[None]])
        return mean

    def probability(self, image, logits, name):
        """Probabilities float32[class, y', x'] of an image seen in the symmetry ``name``, turned back."""
        return symmetries.undo(name, torch.softmax(logits(symmetries.apply(name, image)), dim=1))[0]


def predict(model, image, tile=None, tta=None, border="mirror", moments=None, **how):
    """Class probabilities of an image or of every slice of a stack.

    Parameters
    ----------
    model, tta, **how : see `Predictor`.
    image : number[y, x] or [z, y, x], of any size down to one pixel; for a model that sees several channels [c, y, x]
        or [z, c, y, x].
    tile : (y, x) pixels written per tile at most, multiples of ``model.stride``, into which the image is cut evenly;
        768 x 768 by default.
    border : what lies beyond the image: "mirror" (the paper) or "zero", the mean that it is normalised by.
    moments : see `Predictor`; by default those of ``image``.

    Returns
    -------
    float32[class, y, x] or [class, z, y, x], with a channel more for the spread.

    Raises ValueError for images of other dimensions or channels and for tiles that would show.
    """
    image, channels = np.asarray(image), () if model.in_channels == 1 else (model.in_channels,)
    if image.ndim == 3 + len(channels):
        moments = moments or moments_of(image, model.in_channels)
        return np.stack([predict(model, one, tile, tta, border, moments, **how) for one in image], axis=1)
    if image.ndim != 2 + len(channels) or image.shape[:-2] != channels or not image.size:
        expected = f"[{', '.join([*map(str, channels), 'y', 'x'])}]"
        raise ValueError(f"an image is {expected}, or a stack of such, and not empty; this one is {image.shape}")
    predictor = Predictor(model, tta, moments=moments or moments_of([image], model.in_channels), **how)
    tile, shape = tile or DEFAULT_TILE, image.shape[-2:]
    outside = per_channel(predictor.moments[0]) if border == "zero" else None
    window = read_window(image, (-model.context, -model.context), input_shape(shape, tile, model), outside)
    result = Mosaic(np.empty((predictor.channels, 1, *shape), np.float32), predictor.device)
    predict_slice(predictor, window, shape, tile, result)
    return result.whole()[:, 0]


def predict_as(options, model, image, moments=None):
    """`predict` as ``options``, a `prediction` entry of the configuration, says."""
    same = {key: options[key] for key in ("tile", "precision", "engine", "border", "spread")}
    return predict(model, image, tta=options["symmetries"], moments=moments, **same)


def predict_blocks(predictor, source, blocks, tile, encoding, write, progress):
    """Predict ``blocks`` of ``source``, while the next one is read and the last ones are written by threads beside.

    tile : (y, x) written per tile; halved as often as needed if a GPU has no memory for it. encoding : one of
    ENCODINGS. write : called with (block, array[class, z, y, x] or [z, y, x]) by one thread, or several for a GPU.
    progress : called with the number of blocks computed. At most two windows and, beside those being written, one
    result are held, however large the volume.

    A GPU computes the last tiles of a block while the first ones of the next are prepared.
    """
    threads = WRITERS[predictor.device.type]
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(threads) as writers:

        def read(number):
            return reader.submit(read_with_halo, source, blocks[number], tile, predictor)

        reading, writing = {0: read(0)} if blocks else {}, deque()
        for number, block in enumerate(blocks):
            slices = reading.pop(number).result()
            if number + 1 < len(blocks):
                reading[number + 1] = read(number + 1)
            while (result := predict_block(slices, block, tile, ENCODINGS[encoding])) is None:
                tile = smaller_tile(tile, predictor.model.stride)
                slices, reading = read(number).result(), {k: read(k) for k in reading}  # other tiles reach further
            if len(writing) == threads:
                writing.popleft().result()
            writing.append(writers.submit(lambda block, result: write(block, result.whole()), block, result))
            progress(number + 1)
        for one in writing:
            one.result()


def input_shape(shape, tile, model):
    """(y, x) of the input from which ``shape`` (y, x) is predicted by tiles, the context on every side included."""
    parts = tiles(shape, fitting_tile(shape, tile, model.stride), model)
    return tuple(max(p.read_start[axis] + p.read_shape[axis] for p in parts) + model.context for axis in (0, 1))


def read_with_halo(source, block, tile, predictor):
    """(predictor, window [..., y, x], filled (y, x)) for each slice of a block: how much of the block it fills, and the
    voxels of that with all that its tiles read around them; no window where it ends before the block begins."""
    slices, (first, *corner) = [], block.start
    for size, run in groupby(range(first, block.stop[0]), source.size):
        numbers = list(run)
        filled = tuple(max(0, min(n, b) - a) for n, a, b in zip(size, corner, block.stop[1:]))
        if all(filled):
            shape = len(numbers), *filled
            windows = read_around(source, (numbers[0], *corner), shape, tile, predictor.model)
            slices += [(predictor.for_slice(source, z), one, filled) for z, one in zip(numbers, windows)]
        else:
            slices += [(predictor, None, filled) for _ in numbers]
    return slices


def read_around(source, start, shape, tile, model):
    """Windows [..., y, x] of slices of one size: ``shape`` voxels from ``start`` with all that tiles read around, and
    as channels the neighbours of each slice."""
    beside = model.neighbours
    low = (start[0] - beside, *(a - model.context for a in start[1:]))
    sizes = (shape[0] + 2 * beside, *input_shape(shape[1:], tile, model))
    window = read_mirrored(source, low, tuple(a + n for a, n in zip(low, sizes)))
    return [window[z : z + 2 * beside + 1].reshape(-1, *sizes[1:]) for z in range(shape[0])]


def predict_block(slices, block, tile, encode):
    """Encoded probabilities of a block from its `read_with_halo`, a `Mosaic` to which the last tiles may still be on
    their way, or None if a GPU has too little memory for the tile. They are 0 where the images end.

    Memory is freed only when the exception is gone, so this must return before a smaller tile is tried.
    """
    first = slices[0][0]
    one = encode(torch.zeros(first.channels, 1, 1)).numpy()
    result = Mosaic(np.zeros((*one.shape[:-2], *block.shape), one.dtype), first.device)
    try:
        for z, (predictor, window, filled) in enumerate(slices):
            if window is not None:
                predict_slice(predictor, window, filled, tile, result, encode, z)
    except torch.OutOfMemoryError:
        if max(tile) <= first.model.stride:
            raise
        return None
    return result


def smaller_tile(tile, stride):
    """Half of ``tile`` (y, x), in multiples of the stride."""
    torch.cuda.empty_cache()
    return tuple(max(stride, size // 2 // stride * stride) for size in tile)


def predict_slice(predictor, window, shape, tile, result, encode=ENCODINGS["float32"], z=0):
    """Put probabilities [class, y, x] (or classes [y, x]) of ``shape`` (y, x), encoded by one of ENCODINGS, into the
    slice ``z`` of ``result``, a `Mosaic`, tile by tile.

    window : one slice [..., y, x] that begins a context before them.
    """
    model = predictor.model
    for part in tiles(shape, fitting_tile(shape, tile, model.stride), model):
        read = tuple(slice(a + model.context, a + model.context + n) for a, n in zip(part.read_start, part.read_shape))
        height, width = (s.stop - s.start for s in part.write)
        result.put((..., z, *part.write), encode(predictor(window[(..., *read)])[:, :height, :width]))
