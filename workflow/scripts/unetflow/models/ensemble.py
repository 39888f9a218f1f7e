"""Several networks of one kind as one: the mean of their probabilities."""

import torch
from torch import nn

from .network import Network


class Ensemble(Network):
    """Networks ``members`` of one architecture, applied to the same image.

    Input ``float32[n, in_channels, y, x]``, output ``float32[n, classes, y', x']``: the logarithm of the mean of the
    members' probabilities, whose softmax is that mean.
    """

    def __init__(self, members):
        super().__init__(members[0].geometry, members[0].classes, members[0].in_channels)
        self.members = nn.ModuleList(members)
        self.cpu_engine, self.neighbours = members[0].cpu_engine, members[0].neighbours

    def forward(self, x):
        return torch.stack([torch.softmax(member(x).float(), dim=1) for member in self.members]).mean(dim=0).log()
