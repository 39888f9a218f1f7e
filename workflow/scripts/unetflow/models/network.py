"""What all networks share: where the output lies on the input, convolutions, first weights."""

import copy
import math

import torch
from torch import nn
from torch.nn.functional import pad

NORMS = {"none": lambda channels: nn.Identity(), "batch": nn.BatchNorm2d}


class Network(nn.Module):
    """A network without padding: images ``float32[n, in_channels, y, x]`` to logits ``float32[n, classes, y', x']``.

    ``context`` (pixels lost per side), ``stride`` (input offsets that are multiples of it leave the result unchanged)
    and ``valid_shape`` say how the output lies on the input, after a `geometry.Geometry`. ``encoder`` is the part that
    finds features, which fine-tuning may leave as it is.
    """

    neighbours = 0  # how many slices above and below are seen as well, of which ``in_channels`` has the channels too
    cpu_engine = "openvino"  # which of `engines.ENGINES` was faster on a CPU (docs/log.md)

    def __init__(self, geometry, classes, in_channels=1):
        super().__init__()
        self.geometry, self.classes, self.in_channels = geometry, classes, in_channels

    @property
    def channels_per_slice(self):
        return self.in_channels // (2 * self.neighbours + 1)

    @property
    def encoder(self):
        return self.down

    @property
    def context(self):
        return self.geometry.context

    @property
    def stride(self):
        return self.geometry.stride

    def valid_shape(self, shape):
        """Smallest input shape ``(y, x)`` not below ``shape`` that gives at least one output pixel."""
        return tuple(map(self.geometry.valid_size, shape))


def one_of(name, value, known):
    """Raise ValueError unless ``value`` of the option ``name`` is one of ``known``."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(str, known))}")


class ExactConv2d(nn.Conv2d):
    """A convolution that stays in float32 where the network predicts in bfloat16.

    The first and the last of a network are such: what is rounded there shows most in the probabilities, and there is
    little to compute (docs/log.md). Training is in no need of it, and slow with it on a GPU.
    """

    def _conv_forward(self, x, weight, bias):
        if self.training or x.is_meta:  # no data: only sizes are asked for, and autocast knows no such device
            return super()._conv_forward(x, weight, bias)
        with torch.autocast(x.device.type, enabled=False):
            return super()._conv_forward(x.to(weight.dtype), weight, bias)


class Block(nn.Sequential):
    """``count`` unpadded 3x3 convolutions (the first as ``first``), each followed by the normalisation and a ReLU."""

    def __init__(self, in_channels, channels, norm="none", count=2, first=nn.Conv2d):
        layers = []
        for k in range(count):
            kind, before = (nn.Conv2d, channels) if k else (first, in_channels)
            layers += [kind(before, channels, 3), NORMS[norm](channels), nn.ReLU(inplace=True)]
        super().__init__(*layers)

    @property
    def steps(self):
        """(convolution, normalisation, ReLU), as they follow each other."""
        layers = list(self)
        return list(zip(layers[::3], layers[1::3], layers[2::3]))

    def forward(self, x):
        for convolution, norm, relu in self.steps:
            x = relu(normalised(convolution, norm, x))
        return x


def normalised(convolution, norm, x):
    """``norm(convolution(x))``. A normalisation that is a fixed scale and shift goes into the weights, which saves two
    passes over the image and, in training, over its gradient."""
    if norm.training:
        return norm(convolution(x))
    return convolution._conv_forward(x, *folded(convolution, norm))


def folded(convolution, norm):
    """Weight and bias of the convolution that is ``norm(convolution(x))``, where ``norm`` is fixed."""
    if isinstance(norm, nn.Identity):
        return convolution.weight, convolution.bias
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = convolution.weight * scale[:, None, None, None]
    return weight, (convolution.bias - norm.running_mean) * scale + norm.bias


def with_blocks(model, made):
    """A copy of ``model`` in evaluation mode with ``made(block)`` in place of every `Block`."""
    model = copy.deepcopy(model).eval()
    for name, module in list(model.named_modules()):
        if isinstance(module, Block):
            model.set_submodule(name, made(module))
    return model


def contracting_path(in_channels, channels, norm, counts):
    """A `Block` per level with ``channels`` of each; 2x2 max-poolings belong between them."""
    return nn.ModuleList(
        Block(before, after, norm, count, nn.Conv2d if level else ExactConv2d)
        for level, (before, after, count) in enumerate(zip([in_channels, *channels], channels, counts))
    )


def initialise(module):
    """Gaussian weights of std sqrt(2 / fan_in) and biases 0 (section 3 of the paper)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        kernel = module.kernel_size[0] * module.kernel_size[1]
        # Kernel and stride of the up-convolution are both 2: one input pixel reaches each output pixel.
        taps = 1 if isinstance(module, nn.ConvTranspose2d) else kernel
        nn.init.normal_(module.weight, std=math.sqrt(2 / (module.in_channels * taps)))
        nn.init.zeros_(module.bias)


def centre_crop(array, shape):
    """Central ``shape`` of the last two axes; works on tensors and arrays alike."""
    top, left = ((have - want) // 2 for have, want in zip(array.shape[-2:], shape))
    return array[..., top : top + shape[0], left : left + shape[1]]


def trimmed(array, margin):
    """``array[..., y, x]`` without ``margin`` pixels on every side; a graph traced from it fits any shape.

    By a negative padding, since the gradient of a slice would lose the layout of ``array``, for which all that follows
    would take longer (docs/log.md).
    """
    return pad(array, [-margin] * 4) if margin else array
