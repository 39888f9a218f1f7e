"""The networks against the paper: parameters, shapes, receptive field."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from unetflow import models


def parameters(**options):
    return sum(p.numel() for p in models.build("unet", **options).parameters())


def test_parameter_counts_of_the_paper_and_the_release():
    assert parameters() == 31_030_658
    assert parameters(variant="phseg_v5") == 31_100_354


def test_shapes_of_figure_1():
    """572 -> 388, 28 x 28 in the lowest level, for the full depth at a width that is quick to run."""
    network = models.build("unet", width=2)
    lowest = []
    network.down[-1].register_forward_hook(lambda module, inputs, output: lowest.append(tuple(output.shape)))
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    assert lowest == [(1, 32, 28, 28)]
    assert (network.context, network.stride, network.valid_shape((572, 560))) == (92, 16, (572, 572))


def test_released_variant_concatenates_upsampled_first():
    network = models.build("unet", width=2, depth=1, variant="phseg_v5").eval()
    assert network.up[-1].out_channels == 4, "last up-convolution: twice the width"
    seen = []
    network.merge[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    network.up[0].register_forward_hook(lambda module, inputs, output: seen.append(torch.relu(output)))
    network(torch.randn(1, 1, 20, 20))
    torch.testing.assert_close(seen[1][:, :4], seen[0])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 90), st.integers(1, 90))
def test_valid_shape_is_the_smallest_that_runs(depth, height, width):
    network = models.build("unet", width=1, depth=depth).eval()
    valid = network.valid_shape((height, width))
    assert all(v >= n for v, n in zip(valid, (height, width)))
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, *valid)).shape[-2:] == tuple(n - 2 * network.context for n in valid)
    least = network.valid_shape((1, 1))[0]
    assert all(v == least or v - network.stride < n for v, n in zip(valid, (height, width)))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_receptive_field_by_gradient(depth):
    """What the output pixels see, over all places on the pooling grid: `context` pixels beyond themselves on every
    side, and beyond that only what shares a pooled block with these, less than one stride."""
    torch.manual_seed(0)
    network = models.build("unet", width=4, depth=depth).double().eval()
    for module in network.modules():  # positive weights: no ReLU is dead
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.uniform_(module.weight, 0.1, 1.0)
    size = network.valid_shape((2 * network.context + 2 * network.stride,) * 2)[0]
    up, down = np.zeros(network.stride, int), np.zeros(network.stride, int)
    for _ in range(6):  # a pooling passes the gradient of its largest pixel only; other images show the other pixels
        image = torch.rand(1, 1, size, size, dtype=torch.double, requires_grad=True)
        output = network(image)
        for at in range(network.stride):
            (gradient,) = torch.autograd.grad(output[0, 0, at, at], image, retain_graph=True)
            rows = gradient[0, 0].abs().sum(1).nonzero().flatten() - (at + network.context)
            up[at], down[at] = max(up[at], -int(rows.min())), max(down[at], int(rows.max()))
    assert up.min() == down.min() == network.context
    assert up.max() == down.max() == network.context + network.stride - 1


def test_weights_are_drawn_as_the_paper_says():
    torch.manual_seed(0)
    network = models.build("unet", width=32, depth=2)
    convolution, up = network.down[1][3], network.up[0]
    assert convolution.weight.std().item() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)
    assert up.weight.std().item() == pytest.approx(np.sqrt(2 / 128), rel=0.03)
    assert not convolution.bias.any() and not up.bias.any()


def test_dropout_acts_on_the_two_lowest_levels_only():
    network = models.build("unet", width=2, depth=3, dropout=0.5).train()
    shapes = []
    network.dropout.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[1]))
    network(torch.zeros(1, 1, *network.valid_shape((1, 1))))
    assert shapes == [8, 16]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no network is called 'vnet'"):
        models.build("vnet")
    with pytest.raises(ValueError, match="norm is 'instance'"):
        models.build("unet", norm="instance")
    with pytest.raises(ValueError, match="variant"):
        models.build("unet", variant="v6")
