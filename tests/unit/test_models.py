"""The networks against their papers: parameters, shapes, receptive fields."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unetflow import geometry, inference, memory, models
from unetflow.models.fcn import bilinear
from unetflow.models.network import Block, centre_crop, trimmed


def parameters(network="unet", **options):
    return sum(p.numel() for p in models.build(network, **options).parameters())


def test_fixed_normalisation_in_the_weights_is_that_after_the_convolution():
    """Result, and gradients of image, convolution, scale and shift, against one layer after the other."""
    torch.manual_seed(0)
    block = Block(2, 3, "batch").double()
    for norm in (block[1], block[4]):
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            torch.nn.init.uniform_(values, 0.5, 1.5)
    seen = []
    for of in (block.eval(), lambda image: torch.nn.Sequential(*block)(image)):
        image = torch.rand(2, 2, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        result = of(image)
        seen.append([result, *torch.autograd.grad((result**2).sum(), [image, *block.parameters()])])
    assert (seen[0][0] > 0).any()
    for ours, theirs in zip(*seen):
        torch.testing.assert_close(ours, theirs)


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


SMALL = {
    "unet 1": ("unet", {"width": 4, "depth": 1}),
    "unet 3": ("unet", {"width": 4, "depth": 3}),
    "unet summed": ("unet", {"width": 4, "depth": 2, "skips": "summed"}),
    "sliding_window 65": ("sliding_window", {"width": 3, "hidden": 4, "window": 65}),
    "sliding_window 95": ("sliding_window", {"width": 3, "hidden": 4}),
    "hypercolumn": ("hypercolumn", {"width": 4, "depth": 3, "hidden": 4}),
    "fcn8s": ("fcn8s", {"width": 1, "hidden": 3}),
    "fcn16s": ("fcn16s", {"width": 1, "hidden": 3}),
    "fcn32s": ("fcn32s", {"width": 1, "hidden": 3}),
}


@pytest.fixture(params=SMALL.values(), ids=SMALL)
def small(request):
    torch.manual_seed(0)
    name, options = request.param
    return models.build(name, **options).eval()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_valid_shape_is_the_smallest_that_runs(small, data):
    least = small.valid_shape((1, 1))[0]
    height, width = (data.draw(st.integers(1, least + 70)) for _ in range(2))
    valid = small.valid_shape((height, width))
    assert all(v >= n for v, n in zip(valid, (height, width)))
    with torch.inference_mode():
        assert small(torch.zeros(1, 1, *valid)).shape[-2:] == tuple(n - 2 * small.context for n in valid)
    assert all(v == least or v - small.stride < n for v, n in zip(valid, (height, width)))
    assert least - small.stride <= 2 * small.context < least


def test_receptive_field_by_gradient(small):
    """What the output pixels see, over the places on the pooling grid: `context` pixels beyond themselves on every
    side, and beyond that only what shares a pooled block with these, less than one stride."""
    network = small.double()
    for module in network.modules():  # positive weights: no ReLU is dead
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.uniform_(module.weight, 0.1, 1.0)
    size = network.valid_shape((2 * network.context + 2 * network.stride,) * 2)[0]
    up, down = {}, {}
    places = [at for at in range(network.stride) if network.stride <= 8 or at % 8 in (0, 7)]
    for _ in range(3):  # a pooling passes the gradient of its largest pixel only; other images show the other pixels
        image = torch.rand(1, 1, size, size, dtype=torch.double, requires_grad=True)
        output = network(image)
        for at in places:
            (gradient,) = torch.autograd.grad(output[0, 0, at, at], image, retain_graph=True)
            rows = gradient[0, 0].abs().sum(1).nonzero().flatten() - (at + network.context)
            up[at], down[at] = max(up.get(at, 0), -int(rows.min())), max(down.get(at, 0), int(rows.max()))
    assert min(up.values()) == min(down.values()) == network.context
    assert max(up.values()) == max(down.values()) == network.context + network.stride - 1


def test_tiles_of_every_network_dont_show(small):
    """Tiles of one stride and a bit, against the whole image at once."""
    image = np.random.default_rng(0).normal(size=(2 * 32 + 5, 3 * 32)).astype(np.float32)
    whole = inference.predict(small, image, tile=(96, 96))
    np.testing.assert_allclose(inference.predict(small, image, tile=(32, 64)), whole, atol=1e-5)
    assert whole.std() > 0


def test_an_ensemble_lies_on_its_input_as_its_members_do():
    member = {"name": "unet", "width": 2, "depth": 2, "dropout": 0.0}
    network = models.build("ensemble", members=3, of=member).eval()
    assert network.geometry == models.build(**member).geometry and network.classes == 2
    image = torch.randn(1, 1, 60, 60)
    with torch.no_grad():
        mean = torch.stack([torch.softmax(one(image), 1) for one in network.members]).mean(0)
        torch.testing.assert_close(torch.softmax(network(image), 1), mean)
    assert (network.members[0].head.weight != network.members[1].head.weight).any()
    assert memory.network_bytes(network, (60, 60)) == 3 * memory.network_bytes(network.members[0], (60, 60))


def test_all_windows_at_once_are_the_windows_one_by_one():
    """The dense form of the pixel classifier gives what it gives for every window alone, as published."""
    torch.manual_seed(0)
    for window in geometry.WINDOWS:
        network = models.build("sliding_window", window=window, width=5, hidden=6).eval()
        image = torch.randn(1, 1, window + 9, window + 6)
        windows = image[0, 0].unfold(0, window, 1).unfold(1, window, 1)
        with torch.inference_mode():
            dense = network(image)[0]
            alone = network.one_by_one(windows.reshape(-1, 1, window, window)).T.reshape(dense.shape)
        torch.testing.assert_close(dense, alone)
        assert dense.shape == (2, 10, 7) and dense.std() > 0


def test_parameters_of_the_pixel_classifier():
    """Counted by hand: 48 maps, convolutions of 4, 5, 4, 4 pixels, 3 x 3 x 48 inputs to 200 units."""
    weights = 48 * 16 + 48 * 48 * (25 + 16 + 16) + 9 * 48 * 200 + 200 * 2
    biases = 4 * 48 + 200 + 2
    assert parameters("sliding_window") == weights + biases


def test_the_hypercolumn_is_a_classifier_of_concatenated_features():
    torch.manual_seed(0)
    network = models.build("hypercolumn", width=3, depth=2, hidden=5).eval()
    image, features = torch.randn(1, 1, *network.valid_shape((60, 70))), []
    with torch.inference_mode():
        x = image
        for level, block in enumerate(network.down):
            x = block(torch.nn.functional.max_pool2d(x, 2) if level else x)
            enlarged = torch.nn.functional.interpolate(x, scale_factor=2**level, mode="bilinear")
            features.append(centre_crop(enlarged, tuple(n - 2 * network.context for n in image.shape[-2:])))
        weight = torch.cat([mix.weight for mix in network.mix], dim=1)
        bias = sum(mix.bias for mix in network.mix)
        hidden = torch.relu(torch.nn.functional.conv2d(torch.cat(features, dim=1), weight, bias))
        torch.testing.assert_close(network(image), network.head(hidden))


def test_the_trunk_of_fcn_is_that_of_vgg_16():
    """14,714,688 parameters for three channels; with 4096 hidden ones 134 million in all."""
    network = models.blueprint("fcn8s", in_channels=3, classes=21)
    assert sum(p.numel() for p in network.trunk.parameters()) == 14_714_688
    assert round(sum(p.numel() for p in network.parameters()) / 1e6) == 134


@pytest.mark.parametrize("factor", [2, 8, 32])
def test_enlarging_begins_as_bilinear_interpolation(factor):
    x = torch.randn(1, 3, 6, 7)
    enlarged = trimmed(bilinear(3, factor)(x), factor // 2)
    expected = torch.nn.functional.interpolate(x, scale_factor=factor, mode="bilinear")
    torch.testing.assert_close(enlarged, trimmed(expected, factor // 2))


def test_the_gradient_of_what_is_trimmed_keeps_the_layout():
    image, layouts = torch.randn(1, 3, 9, 8, requires_grad=True), []
    laid_out = image.contiguous(memory_format=torch.channels_last)
    laid_out.register_hook(lambda gradient: layouts.append(gradient.stride() == laid_out.stride()))
    part = trimmed(laid_out, 2)
    assert torch.equal(part, image[..., 2:-2, 2:-2])
    torch.cat([part, torch.ones_like(part)], dim=1).square().sum().backward()  # a skip is a part of a larger array
    expected = torch.zeros_like(image)
    expected[..., 2:-2, 2:-2] = 2 * part.detach()
    assert torch.equal(image.grad, expected) and layouts == [True]


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
    with pytest.raises(ValueError, match="window is 64; it must be one of 65, 95"):
        models.build("sliding_window", window=64)
    with pytest.raises(ValueError, match="can't be summed"):
        models.build("unet", variant="phseg_v5", skips="summed")
