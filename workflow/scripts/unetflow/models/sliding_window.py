"""The pixel classifier on sliding windows that won ISBI 2012 (Ciresan et al., NIPS 2012), for all pixels at once."""

from torch import nn
from torch.nn.functional import conv2d, max_pool2d, relu

from .. import geometry
from .network import ExactConv2d, Network, initialise, one_of


class SlidingWindow(Network):
    """Classifies every pixel by the window of ``window`` x ``window`` pixels around it.

    Convolutions of ``width`` maps, each followed by a ReLU and a 2x2 max-pooling, then a dense layer of ``hidden``
    units and one of the classes. `forward` computes all windows at once: instead of dropping pixels, a pooling doubles
    the spacing of the pixels that the following layers look at, so that every layer is computed once per pixel and not
    once per pixel of every window. `one_by_one` computes single windows as published; the numbers are the same.

    ASSUME: ReLU, which the network is usually given today; dropout on the dense layer.
    """

    cpu_engine = "torch"  # OpenVINO takes five times as long for what is dilated

    def __init__(self, in_channels=1, classes=2, window=95, width=48, hidden=200, dropout=0.5):
        one_of("window", window, geometry.WINDOWS)
        super().__init__(geometry.sliding_window(window), classes, in_channels)
        convolutions, before, left = [], in_channels, window
        for level, side in enumerate(geometry.WINDOWS[window]):
            kind = nn.Conv2d if level else ExactConv2d
            convolutions.append(kind(before, width, side, dilation=2**level))
            before, left = width, (left - side + 1) // 2  # pixels per side of a window that are left
        self.convolutions = nn.ModuleList(convolutions)
        self.dense = nn.Conv2d(width, hidden, left, dilation=2 ** len(convolutions))
        self.dropout = nn.Dropout(dropout)
        self.head = ExactConv2d(hidden, classes, 1)
        self.apply(initialise)

    @property
    def encoder(self):
        return self.convolutions

    def forward(self, x):  # (n, in_channels, y, x)
        for level, convolution in enumerate(self.convolutions):
            x = max_pool2d(relu(convolution(x)), 2, stride=1, dilation=2**level)
        return self.head(self.dropout(relu(self.dense(x))))  # (n, classes, y - window + 1, x - window + 1)

    def one_by_one(self, windows):
        """Logits float32[n, classes] of ``windows`` float32[n, in_channels, window, window], each for itself."""
        for layer in self.convolutions:
            windows = max_pool2d(relu(conv2d(windows, layer.weight, layer.bias)), 2)
        hidden = relu(conv2d(windows, self.dense.weight, self.dense.bias))
        return self.head(self.dropout(hidden))[..., 0, 0]
