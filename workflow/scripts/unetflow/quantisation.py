"""Networks that compute in integers of 8 bits: how far values reach is noted in training, and kept with the weights.

What each convolution takes in is rounded to 256 steps between the smallest and the largest value that it was seen to
take in, its weights to 255 steps around 0 for each channel that it gives out (Jacob et al., CVPR 2018). What rounding
the weights shifts on average is taken back by the bias (Nagel et al., ICCV 2019). `models.ExactConv2d` stays as it is.
"""

import torch
from torch import nn
from torch.nn.utils import parametrize

from .errors import InputError
from .models.network import ExactConv2d, folded, with_blocks

SEEN = "seen"  # buffer float32[2 + c] of a convolution: smallest and largest value taken in, and the mean by channel
HIGHEST = 255  # of the integers from 0 that stand for what a convolution takes in
LARGEST = 127  # of the integers, of either sign, that stand for weights


def convolutions(model):
    """Name -> convolution of a network that computes in 8 bits."""
    kinds = nn.Conv2d | nn.ConvTranspose2d
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, kinds) and not isinstance(module, ExactConv2d) and module.bias is not None
    }


@torch.no_grad()
def watch(model, images):
    """Note in ``model`` how far values reach in it, as `SEEN`, while it predicts ``images``: float32[n, c, y, x]."""
    plain, found = with_blocks(model, plainly), {name: [] for name in convolutions(model)}
    for name, module in convolutions(plain).items():
        module.register_forward_pre_hook(lambda _, taken, name=name: found[name].append(reach(*taken)))
    for image in images:
        plain(image)
    for name, module in convolutions(model).items():
        low, high, means = zip(*found[name])
        seen = torch.cat([torch.stack(low).min()[None], torch.stack(high).max()[None], torch.stack(means).mean(dim=0)])
        module.register_buffer(SEEN, seen)


def watch_noise(model):
    """Note in a network of any weights what noise makes of it: enough to measure how fast it is."""
    device = next(model.parameters()).device
    watch(model, [torch.randn(1, model.in_channels, *model.valid_shape((1, 1)), device=device)])


def reach(values):
    """Smallest, largest, and mean by channel of float32[n, c, y, x]."""
    return values.min(), values.max(), values.mean(dim=(0, 2, 3))


def expect(model, weights):
    """Make room in ``model`` for what `watch` noted in the network of which ``weights`` are, if they hold it."""
    for name, module in convolutions(model).items():
        if f"{name}.{SEEN}" in weights:
            module.register_buffer(SEEN, torch.empty(2 + module.in_channels, device="meta"))


def quantised(model):
    """A copy of ``model`` that computes as in 8 bits, of which OpenVINO makes one that does.

    Raises InputError if nothing was noted by `watch`.
    """
    model = with_blocks(model, plainly)
    for name, module in convolutions(model).items():
        if not hasattr(module, SEEN):
            raise InputError(
                "the model does not say how far values reach in it, which precision: int8 needs; train it again with "
                "this version, or set prediction/precision to bfloat16"
            )
        model.set_submodule(name, rounded(module))
    return model


def plainly(block):
    """A `Block`, changed in place, with the normalisation in the weights, whose convolutions are called one by one."""
    layers = []  # at the same places, by which they are named
    for convolution, norm, relu in block.steps:
        convolution.weight, convolution.bias = (nn.Parameter(t.detach()) for t in folded(convolution, norm))
        layers += [convolution, nn.Identity(), relu]
    return nn.Sequential(*layers)


def rounded(convolution):
    """The ``convolution``, changed in place, behind a layer that rounds what it takes in."""
    low, high = convolution.seen[:2].tolist()
    exact, rounding = convolution.weight.detach(), RoundedWeights(convolution)
    convolution.bias.data -= shift(convolution, rounding(exact) - exact)
    parametrize.register_parametrization(convolution, "weight", rounding)
    return nn.Sequential(RoundedValues(low, high), convolution)


@torch.no_grad()
def shift(convolution, change):
    """By how much a ``change`` of the weights shifts, on average, what each channel gives out."""
    if isinstance(convolution, nn.ConvTranspose2d):
        taps = change.sum(dim=(2, 3)).T / (convolution.stride[0] * convolution.stride[1])
    else:
        taps = change.sum(dim=(2, 3))
    return taps @ convolution.seen[2:]


class RoundedValues(nn.Module):
    """Rounds to the 256 steps between ``low`` and ``high``, one of which is 0; what lies beyond is cut off."""

    def __init__(self, low, high):
        super().__init__()
        low, high = min(low, 0.0), max(high, 0.0)
        self.step = (high - low) / HIGHEST or 1.0
        self.zero = round(-low / self.step)

    def forward(self, values):
        return torch.fake_quantize_per_tensor_affine(values, self.step, self.zero, 0, HIGHEST)


class RoundedWeights(nn.Module):
    """Rounds weights to 255 steps around 0, as wide as each channel that the convolution gives out needs."""

    def __init__(self, convolution):
        super().__init__()
        self.axis = 1 if isinstance(convolution, nn.ConvTranspose2d) else 0
        others = [axis for axis in range(4) if axis != self.axis]
        largest = convolution.weight.detach().abs().amax(dim=others)
        self.steps = largest / LARGEST
        self.zeros = torch.zeros_like(largest, dtype=torch.int32)

    def forward(self, weight):
        return torch.fake_quantize_per_channel_affine(weight, self.steps, self.zeros, self.axis, -LARGEST, LARGEST)
