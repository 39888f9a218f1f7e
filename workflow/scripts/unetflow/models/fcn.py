"""Fully convolutional networks (Long, Shelhamer, Darrell, CVPR 2015) on the trunk of VGG-16, without its weights."""

import torch
from torch import nn
from torch.nn.functional import max_pool2d

from .. import geometry
from .network import NORMS, ExactConv2d, Network, contracting_path, initialise, one_of, trimmed


class FCN32s(Network):
    """Scores of 32 x 32 pixels each, enlarged at once; its descendants add those of finer levels on the way.

    Trunk of five blocks (1, 2, 4, 8, 8 times ``width`` channels), each followed by a 2x2 max-pooling; a 7x7 and a 1x1
    convolution of ``hidden`` channels with dropout; 1x1 convolutions to class scores on the result and on the poolings
    down to ``finest`` pixels, which are summed; transposed convolutions that begin as bilinear interpolation. With
    ``width=64, hidden=4096`` it is VGG-16 made convolutional. No convolution is padded, so that tiles don't show.
    """

    finest = 32  # pixels per side of the finest level that is scored

    def __init__(self, in_channels=1, classes=2, width=64, hidden=4096, norm="none", dropout=0.5):
        super().__init__(geometry.fcn(self.finest), classes, in_channels)
        one_of("norm", norm, NORMS)
        channels = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.trunk = contracting_path(in_channels, channels, norm, geometry.VGG_BLOCKS)
        self.classifier = nn.Sequential(
            nn.Conv2d(channels[-1], hidden, geometry.VGG_LAST),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.head = ExactConv2d(hidden, classes, 1)
        levels = [level for level in (4, 3) if 2**level >= self.finest]  # the poolings that are scored, coarse to fine
        self.scores = nn.ModuleDict({str(level): ExactConv2d(channels[level - 1], classes, 1) for level in levels})
        self.apply(initialise)
        self.up = nn.ModuleList(bilinear(classes, 2) for _ in levels)
        self.last_up = bilinear(classes, self.finest)

    @property
    def encoder(self):
        return self.trunk

    def forward(self, x):  # (n, in_channels, y, x)
        pooled = []
        for block in self.trunk:
            x = max_pool2d(block(x), 2)
            pooled.append(x)
        x = self.head(self.classifier(x))  # (n, classes, y / 32, x / 32), less the borders
        lost = geometry.lost(geometry.VGG_BLOCKS) + geometry.VGG_LAST // 2 * 32  # pixels per side, up to x
        for up, (name, score) in zip(self.up, self.scores.items()):
            level = int(name)
            lost += 2**level
            margin = (lost - geometry.lost(geometry.VGG_BLOCKS[:level])) // 2**level
            x = trimmed(up(x), 1) + trimmed(score(pooled[level - 1]), margin)
        return trimmed(self.last_up(x), self.finest // 2)


class FCN16s(FCN32s):
    """`FCN32s` with the scores of the fourth pooling added."""

    finest = 16


class FCN8s(FCN32s):
    """`FCN32s` with the scores of the fourth and the third pooling added."""

    finest = 8


def bilinear(channels, factor):
    """A transposed convolution that begins as bilinear interpolation by ``factor`` (even), each channel for itself.

    ``factor / 2`` pixels at every border of its output lack a neighbour.
    """
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=factor // 2, bias=False)
    ramp = 1 - (torch.arange(2 * factor) + 0.5 - factor).abs() / factor
    with torch.no_grad():
        layer.weight.zero_()
        for channel in range(channels):
            layer.weight[channel, channel] = ramp[:, None] * ramp
    return layer
