"""The training loop: one recipe, one stream of samples, resumable to the bit."""

import copy
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import checkpoints, symmetries
from .engines import PRECISIONS, memory_format, usable
from .errors import InputError
from .losses import LOSSES, balanced_sample
from .models.network import centre_crop
from .optimizers import learning_rate, make_optimizer
from .team import shared_statistics, team


@dataclass(frozen=True)
class Recipe:
    """How to train; the keys of a `training` entry in the configuration, where each is described."""

    steps: int
    batch: int = 1
    loss: str = "weighted_cross_entropy"
    optimizer: str = "sgd"
    learning_rate: float = 1e-3
    momentum: float = 0.99
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: int = 0
    clip: float | None = None
    average: float = 0.0
    fix_norm: float = 0.1
    symmetries: bool = False
    output: int | None = None
    pixels: int | None = None
    precision: str = "float32"
    deterministic: bool = True
    keep: str = "last"
    init: str | None = None
    encoder_rate: float = 1.0
    gpus: int = 1
    validate_every: int = 100
    checkpoint_every: int = 100


class Training:
    """A network on its way: weights, their running mean, optimiser state, step, history.

    Everything random follows from (seed, step), so that a run that goes on from a checkpoint ends with the same
    bytes as one that was never interrupted.
    """

    def __init__(self, model, recipe, seed, device):
        self.recipe, self.seed, self.device, self.team = recipe, seed, device, team()
        if recipe.batch % self.team.size:
            raise InputError(
                f"training/batch is {recipe.batch}, which {self.team.size} GPUs can't share evenly; make it a multiple"
            )
        if self.team.size > 1:
            model = shared_statistics(model, device)
        self.precision = usable(recipe.precision, device)
        self.memory_format = memory_format(self.precision, device)
        self.model = model.to(device, memory_format=self.memory_format)
        self.optimizer = make_optimizer(self.model, recipe)
        self.average = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.best = dict(self.average)
        self.step = 0
        self.history = []
        self.losses = []
        self.waited = self.worked = 0.0  # seconds

    def run(self, samples, validate, checkpoint, report):
        """Train to the end of the recipe.

        samples : sequence of (image float32[y, x], target uint8[y, x], weight float32[y, x]).
        validate : function of the network, returns a dict of numbers with a "validation_loss", or an empty one.
        checkpoint : path of the file from which to go on, if it exists, and into which to save.
        report : called with (step, loss) after every step and with (step, row) after every validation.
        """
        self.load(checkpoint)
        with ThreadPoolExecutor(1) as reader:  # the next batch is read while this one is computed
            ahead = reader.submit(self.batch, samples, self.step)
            while self.step < self.recipe.steps:
                began = time.perf_counter()
                batch, following = ahead.result(), self.step + 1
                arrived = time.perf_counter()
                if following < self.recipe.steps:
                    ahead = reader.submit(self.batch, samples, following)
                self.losses.append(self.update(*batch))
                self.waited, self.worked = self.waited + arrived - began, self.worked + time.perf_counter() - arrived
                if not math.isfinite(self.losses[-1]):
                    raise InputError(
                        f"the loss is {self.losses[-1]} at step {following}: training diverged; lower "
                        f"training/learning_rate ({self.recipe.learning_rate}), or set training/clip: 1"
                    )
                self.step = following
                if self.team.rank > 0:
                    continue
                report(self.step, self.losses[-1])
                if self.due(self.recipe.validate_every):
                    self.record(validate, report)
                if self.due(self.recipe.checkpoint_every):
                    self.save(checkpoint)

    def idle_share(self):
        """Share of the time of the steps that was spent waiting for samples."""
        return self.waited / max(self.waited + self.worked, 1e-9)

    def due(self, every):
        return self.step % every == 0 or self.step == self.recipe.steps

    def batch(self, samples, step):
        """The tensors of one step, or this process's share of them: samples in an order shuffled anew each epoch, each
        in a random symmetry."""
        chosen, share = [], self.recipe.batch // self.team.size
        first = step * self.recipe.batch + self.team.rank * share
        for position in range(first, first + share):
            epoch, index = divmod(position, len(samples))
            order = np.random.default_rng([self.seed, epoch]).permutation(len(samples))
            arrays = samples[int(order[index])]
            if self.recipe.symmetries:
                rng = np.random.default_rng([self.seed, epoch, index])
                name = list(symmetries.SYMMETRIES)[rng.integers(len(symmetries.SYMMETRIES))]
                arrays = [np.ascontiguousarray(symmetries.apply(name, a)) for a in arrays]
            chosen.append(arrays)
        return [torch.from_numpy(np.stack(column)) for column in zip(*chosen)]

    def update(self, image, target, weight):
        """One optimiser step; returns the loss."""
        model, recipe = self.training_mode(), self.recipe
        # Samples are made for the largest context; each network takes the middle that its poolings divide evenly.
        image = centre_crop(image, largest_valid(model, self.input_shape(image)))
        shape = tuple(n - 2 * model.context for n in image.shape[-2:])
        target, weight = centre_crop(target, shape), centre_crop(weight, shape)
        if recipe.pixels is not None:
            drawn = balanced_sample(target.numpy(), weight.numpy(), recipe.pixels, self.rng(2))
            weight = torch.from_numpy(drawn)
        image, target, weight = (a.to(self.device) for a in (image, target, weight))
        torch.manual_seed(int(self.rng(1).integers(2**31)))  # dropout
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * learning_rate(recipe, self.step)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, PRECISIONS[self.precision], enabled=self.precision != "float32"):
            logits = model(image[:, None].contiguous(memory_format=self.memory_format))
        # A loss is a mean by weight, over the samples of all processes.
        part = weight.sum() / self.team.add(weight.sum()).clamp(min=1e-6) if self.team.size > 1 else 1
        loss = LOSSES[recipe.loss](logits, target, weight) * part
        loss.backward()
        self.team.add_gradients(model)
        self.team.agree_on_buffers(model)
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        self.optimizer.step()
        self.update_average()
        return self.team.add(loss.detach()).item()

    def input_shape(self, image):
        """(y, x) of the middle of ``image[n, y, x]`` from which the network predicts ``output`` pixels per side."""
        if self.recipe.output is None:
            return image.shape[-2:]
        return tuple(min(n, self.recipe.output + 2 * self.model.context) for n in image.shape[-2:])

    def rng(self, purpose):
        """Random numbers of this step."""
        return np.random.default_rng([self.seed, self.step, purpose])

    @torch.no_grad()
    def training_mode(self):
        """The network as it is trained in this step: with dropout, and at first with each tile's own statistics.

        After the share ``fix_norm`` of the steps, batch normalisation is the fixed scale and shift that it is in
        prediction. Otherwise the network would never meet what the tile's statistics take away, differences in
        contrast between slices, before it has to predict them (docs/log.md). The statistics that stay are the
        averaged ones, which vary less than the last. A frozen encoder keeps those that it came with.
        """
        first_fixed = math.ceil(self.recipe.fix_norm * self.recipe.steps)
        for name, module in self.model.train().named_modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and self.step >= first_fixed:
                module.eval()
                if self.step == first_fixed:
                    module.running_mean.copy_(self.average[f"{name}.running_mean"])
                    module.running_var.copy_(self.average[f"{name}.running_var"])
        if self.recipe.encoder_rate == 0:
            self.model.encoder.eval()
        return self.model

    @torch.no_grad()
    def update_average(self):
        """Exponential running mean of the weights, over fewer steps at the beginning."""
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        for name, tensor in self.model.state_dict().items():
            if tensor.is_floating_point() and keep > 0:
                self.average[name].lerp_(tensor, 1 - keep)
            else:
                self.average[name].copy_(tensor)

    def record(self, validate, report):
        """Add a row to the history, and remember the weights if they are the best so far on the validation part."""
        row = {
            "step": self.step,
            "loss": float(np.mean(self.losses)),
            "learning_rate": learning_rate(self.recipe, self.step - 1),
        }
        self.losses = []
        row |= validate(self.averaged())
        earlier = [r["validation_loss"] for r in self.history if "validation_loss" in r]
        if "validation_loss" in row and row["validation_loss"] < min(earlier, default=math.inf):
            self.best = {name: tensor.clone() for name, tensor in self.average.items()}
        self.history.append(row)
        report(self.step, row)

    def averaged(self):
        """The network with the averaged weights, in evaluation mode; a copy."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average)
        return model.eval()

    def save(self, path):
        """Write the whole state to ``path``."""
        weights = {"model": self.model.state_dict(), "average": self.average, "best": self.best}
        notes = {"step": self.step, "history": self.history, "losses": self.losses}
        checkpoints.save(path, weights, self.optimizer, notes)

    def load(self, path):
        """Go on from ``path`` if it exists."""
        if not Path(path).exists():
            return
        weights, notes = checkpoints.load(path, self.optimizer, self.device)
        self.model.load_state_dict(weights["model"])
        self.average, self.best = weights["average"], weights["best"]
        self.step, self.history, self.losses = (notes[key] for key in ("step", "history", "losses"))


def largest_valid(model, shape):
    """Largest valid input shape (y, x) of ``model`` within ``shape``."""
    return tuple(
        valid if valid == size else valid - model.stride for valid, size in zip(model.valid_shape(shape), shape)
    )


def take_part(network, recipe, seed, device, samples, checkpoint):
    """Help another process of the `team` to train; arguments as for `Training` and its ``run``."""
    Training(network, recipe, seed, device).run(samples, None, checkpoint, None)
