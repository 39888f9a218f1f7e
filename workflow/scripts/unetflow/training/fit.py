"""The training loop: one recipe, one stream of samples, resumable to the bit."""

import copy
import math
import time
from collections import deque
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .. import memory
from ..engines import PRECISIONS, memory_format, usable
from ..errors import InputError
from ..gpu import Recorded, later
from ..models.network import centre_crop
from . import checkpoints
from .batches import Batches
from .deform import deformed
from .losses import LOSSES
from .optimizers import learning_rate, make_optimizer, set_rate
from .team import shared_statistics, team

IN_FLIGHT = {"cpu": 0, "cuda": 2}  # steps that may be computed before the loss of the first is looked at


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
        # Several processes wait for each other in the middle of a step, which is therefore not recorded.
        alone_on_gpu = device == "cuda" and self.team.size == 1
        self.recorded = Recorded(self.learn, torch.device(device)) if alone_on_gpu else None
        self.average = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.best = dict(self.average)  # the same tensors, until there is a validation: the last weights are the best
        self.pair_up()
        self.step, self.fixed = 0, None
        self.history = []
        self.losses, self.coming = [], deque()
        self.idle_share = 0.0  # of the time of the steps, spent waiting for samples

    def run(self, samples, validate, checkpoint, report):
        """Train to the end of the recipe.

        samples : as for `Batches`.
        validate : function of the network, returns a dict of numbers with a "validation_loss", or an empty one.
        checkpoint : path of the file from which to go on, if it exists, and into which to save.
        report : called with (step, loss) after every step and with (step, row) after every validation.
        """
        if self.device == "cpu":
            memory.keep_what_is_freed()
        self.load(checkpoint)
        batches, worked = self.batches(samples), 0.0
        with checkpoints.Saver(checkpoint) as save:
            for batch in batches.ahead(self.step, self.device):
                began = time.perf_counter()
                self.coming.append(self.update(*batch))
                self.step += 1
                validated, saved = self.due(self.recipe.validate_every), self.due(self.recipe.checkpoint_every)
                self.receive(report, leave=0 if validated or saved else IN_FLIGHT[self.device])
                worked += time.perf_counter() - began
                self.idle_share = batches.waited / (batches.waited + worked)
                if self.team.rank == 0 and validated:
                    self.record(validate, report)
                if self.team.rank == 0 and saved:
                    save(*self.state())

    def batches(self, samples):
        """What each step is given of ``samples``."""
        return Batches(samples, self.recipe, self.seed, self.model, self.team)

    def receive(self, report, leave):
        """Take in the losses of all steps but the last ``leave``, which a GPU may still be computing."""
        while len(self.coming) > leave:
            step, loss = self.step - len(self.coming) + 1, self.coming.popleft()().item()
            if not math.isfinite(loss):
                raise InputError(
                    f"the loss is {loss} at step {step}: training diverged; lower training/learning_rate "
                    f"({self.recipe.learning_rate}), or set training/clip: 1"
                )
            self.losses.append(loss)
            if self.team.rank == 0:
                report(step, loss)

    def due(self, every):
        return self.step % every == 0 or self.step == self.recipe.steps

    def update(self, *batch):
        """One optimiser step on a batch of `Batches`; returns a function that waits for the loss."""
        if (fixed := self.step >= self.first_fixed) != self.fixed:
            self.training_mode(fixed)
        seed = torch.cuda.manual_seed if self.device == "cuda" else torch.default_generator.manual_seed
        seed(int(np.random.default_rng([self.seed, self.step, 1]).integers(2**31)))  # dropout
        set_rate(self.optimizer, learning_rate(self.recipe, self.step))
        if self.recorded:
            loss = self.recorded(*batch, state=fixed)
        else:
            loss = self.learn(*(tensor.to(self.device) for tensor in batch))
        self.update_average()
        return later(self.team.add(loss))

    def learn(self, image, target, weight, *offset):
        """Move the weights by the gradient of the loss, which is returned. Arguments as from `Batches`."""
        recipe, model = self.recipe, self.model
        if offset:
            image, target, weight = deformed(*offset, image, target, weight)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, PRECISIONS[self.precision], enabled=self.precision != "float32"):
            image = image.reshape(len(image), -1, *image.shape[-2:])  # a channel axis, where there is none
            logits = model(image.contiguous(memory_format=self.memory_format))
        target, weight = (centre_crop(array, logits.shape[-2:]) for array in (target, weight))
        # A loss is a mean by weight, over the samples of all processes.
        part = weight.sum() / self.team.add(weight.sum()).clamp(min=1e-6) if self.team.size > 1 else 1
        loss = LOSSES[recipe.loss](logits, target, weight) * part
        loss.backward()
        self.team.add_gradients(model)
        self.team.agree_on_buffers(model)
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        self.optimizer.step()
        return loss.detach()

    @property
    def first_fixed(self):
        """The first step in which batch normalisation is fixed."""
        return math.ceil(self.recipe.fix_norm * self.recipe.steps)

    @torch.no_grad()
    def training_mode(self, fixed):
        """Make the network as it is trained: with dropout, and, unless ``fixed``, with each tile's own statistics.

        After the share ``fix_norm`` of the steps, batch normalisation is the fixed scale and shift that it is in
        prediction. Otherwise the network would never meet what the tile's statistics take away, differences in
        contrast between slices, before it has to predict them (docs/log.md). The statistics that stay are the
        averaged ones, which vary less than the last. A frozen encoder keeps those that it came with.
        """
        self.fixed = fixed
        for name, module in self.model.train().named_modules():
            if fixed and isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()
                if self.step == self.first_fixed:
                    module.running_mean.copy_(self.average[f"{name}.running_mean"])
                    module.running_var.copy_(self.average[f"{name}.running_var"])
        if self.recipe.encoder_rate == 0:
            self.model.encoder.eval()

    def pair_up(self):
        """Note which tensors the running mean consists of, and which ones it follows."""
        pairs = [(self.average[name], now) for name, now in self.model.state_dict().items()]
        self.means = list(zip(*(pair for pair in pairs if pair[1].is_floating_point())))
        self.counters = [pair for pair in pairs if not pair[1].is_floating_point()]

    @torch.no_grad()
    def update_average(self):
        """Exponential running mean of the weights, over fewer steps at the beginning."""
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        get_ema_multi_avg_fn(keep)(*self.means, None)
        for counter, now in self.counters:
            counter.copy_(now)

    def record(self, validate, report):
        """Add a row to the history, and remember the weights if they are the best so far on the validation part."""
        row = {
            "step": self.step,
            "loss": float(np.mean(self.losses)),
            "learning_rate": learning_rate(self.recipe, self.step - 1),
        }
        self.losses = []
        row |= validate(self.averaged())
        if row.get("validation_loss", math.inf) < min(validation_losses(self.history), default=math.inf):
            self.best = {name: tensor.clone() for name, tensor in self.average.items()}
        self.history.append(row)
        report(self.step, row)

    def averaged(self):
        """The network with the averaged weights, in evaluation mode; a copy."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average)
        return model.eval()

    def state(self):
        """All that another process needs to go on: weights, optimiser, notes."""
        weights = {"model": self.model.state_dict(), "average": self.average, "best": self.best}
        return weights, self.optimizer, {"step": self.step, "history": self.history, "losses": self.losses}

    def load(self, path):
        """Go on from ``path`` if it exists."""
        if not Path(path).exists():
            return
        weights, notes = checkpoints.load(path, self.optimizer, self.device)
        self.model.load_state_dict(weights["model"])
        for name, tensor in self.average.items():
            tensor.copy_(weights["average"][name])
        self.step, self.history, self.losses = (notes[key] for key in ("step", "history", "losses"))
        if validation_losses(self.history):
            self.best = weights["best"]


def validation_losses(history):
    """Those of the rows that have one."""
    return [row["validation_loss"] for row in history if "validation_loss" in row]


def take_part(network, recipe, seed, device, samples, checkpoint):
    """Help another process of the `team` to train; arguments as for `Training` and its ``run``."""
    Training(network, recipe, seed, device).run(samples, None, checkpoint, None)
