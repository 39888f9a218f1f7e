"""The samples of each training step, drawn, turned and cropped, read ahead by threads."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from .. import symmetries
from ..augment import displacement
from ..models.network import centre_crop
from .losses import balanced_sample

READERS = {"cpu": 1, "cuda": 4}  # threads: a GPU takes a step in milliseconds


class Batches:
    """What a step is given, by its number: image float32[n, y, x] (of several channels [n, c, y, x]), target uint8 and
    weight float32[n, y', x']. If samples are to be deformed in the step, target and weight are as large as the image,
    and the displacement float32[n, 2, y, x] follows.

    Samples come in an order shuffled anew each epoch, each in a random symmetry; everything random follows from (seed,
    step). They were made for the largest context; a network gets the middle that its poolings divide evenly. Of several
    processes each gets its share.

    samples : sequence of (image float32[y, x] or [c, y, x], target uint8[y, x], weight float32[y, x]). recipe : a
        `recipe.Recipe`.
    """

    def __init__(self, samples, recipe, seed, model, team):
        self.samples, self.recipe, self.seed, self.model, self.team = samples, recipe, seed, model, team
        self.deforms = recipe.elastic["form"] != "none"
        self.waited = 0.0  # seconds that `ahead` waited for samples

    def __getitem__(self, step):
        share = self.recipe.batch // self.team.size
        first = step * self.recipe.batch + self.team.rank * share
        drawn = map(self.sample, range(first, first + share))
        image, target, weight, *offset = (np.stack(column) for column in zip(*drawn))
        if self.recipe.pixels is not None:
            rng = np.random.default_rng([self.seed, step, 2])
            weight = balanced_sample(target, weight, self.recipe.pixels, rng)
        return [torch.from_numpy(array) for array in (image, target, weight, *offset)]

    def sample(self, position):
        """The arrays of one sample, cropped, and its displacement, if there is to be one."""
        epoch, index = divmod(position, len(self.samples))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.samples))
        arrays = self.samples[int(order[index])]
        shape = largest_valid(self.model, self.input_shape(arrays[0].shape[-2:]))
        written = shape if self.deforms else tuple(n - 2 * self.model.context for n in shape)
        arrays = [centre_crop(a, wanted) for a, wanted in zip(arrays, (shape, written, written))]
        if self.recipe.symmetries:
            rng = np.random.default_rng([self.seed, epoch, index])
            name = list(symmetries.SYMMETRIES)[rng.integers(len(symmetries.SYMMETRIES))]
            arrays = [symmetries.apply(name, a) for a in arrays]
        if self.deforms:
            arrays.append(displacement(shape, {"elastic_seed": [self.seed, position, 3]}, self.recipe.elastic))
        return arrays

    def input_shape(self, shape):
        """(y, x) of the middle of an image of ``shape`` from which the network predicts ``output`` pixels per side."""
        if self.recipe.output is None:
            return shape
        return tuple(min(n, self.recipe.output + 2 * self.model.context) for n in shape)

    def ahead(self, first, device):
        """The batches of all steps from ``first`` on, the next ones read while one is computed."""
        pinned = torch.Tensor.pin_memory if device == "cuda" else lambda tensor: tensor
        steps, coming = iter(range(first, self.recipe.steps)), deque()
        with ThreadPoolExecutor(READERS[device]) as readers:

            def read_next():
                if (step := next(steps, None)) is not None:
                    coming.append(readers.submit(lambda: [pinned(tensor) for tensor in self[step]]))

            for _ in range(READERS[device]):
                read_next()
            while coming:
                began = time.perf_counter()
                batch = coming.popleft().result()
                self.waited += time.perf_counter() - began
                read_next()
                yield batch


def largest_valid(model, shape):
    """Largest valid input shape (y, x) of ``model`` within ``shape``."""
    return tuple(
        valid if valid == size else valid - model.stride for valid, size in zip(model.valid_shape(shape), shape)
    )
