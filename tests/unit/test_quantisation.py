"""Networks in integers of 8 bits: what is noted, how it is rounded, and what OpenVINO makes of it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from train import WATCHED, finished
from unetflow import engines, inference, models
from unetflow.errors import InputError
from unetflow.models.ensemble import Ensemble
from unetflow.quantisation import (
    HIGHEST,
    LARGEST,
    SEEN,
    RoundedValues,
    RoundedWeights,
    convolutions,
    quantised,
    rounded,
    watch,
)
from unetflow.sharing import modelfile

NETWORKS = {
    "unet": {"name": "unet", "width": 8, "depth": 2, "norm": "batch"},
    "released": {"name": "unet", "width": 8, "depth": 2, "variant": "phseg_v5"},
    "two channels": {"name": "unet", "width": 8, "depth": 2, "in_channels": 2},
    "hypercolumn": {"name": "hypercolumn", "width": 8, "depth": 2, "norm": "batch"},
    "fcn8s": {"name": "fcn8s", "width": 8, "hidden": 16, "norm": "batch"},
    "sliding_window": {"name": "sliding_window", "width": 8, "hidden": 16},
}


def images(network, size, count=3):
    """Smooth noise float32[1, c, y, x], in which networks have something to see; ``size`` pixels are predicted."""
    rng = np.random.default_rng(0)
    shape = network.valid_shape(2 * (size + 2 * network.context,))
    noise = [rng.normal(size=(1, network.in_channels, *shape)) for _ in range(count)]
    return [torch.from_numpy(one.cumsum(-1) / 10).float().sub_(0.5) for one in noise]


def built(architecture, size=32):
    """A network of random weights and, where it has them, statistics, which was watched."""
    torch.manual_seed(0)
    network = models.build(**architecture).eval()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.normal_(std=0.3)
        norm.running_var.uniform_(0.5, 2)
    watch(network, images(network, size))
    return network


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_of_8_bits_gives_nearly_the_same(kind):
    network = built(NETWORKS[kind])
    seen = images(network, 32)[0]
    with torch.inference_mode():
        exact, integers = network(seen), quantised(network)(seen)
    error = (exact - integers).abs()
    assert 0 < error.mean() < 0.05 * exact.std() and error.max() < 0.4 * exact.std()


def test_it_is_noted_what_each_convolution_takes_in():
    network = built(NETWORKS["unet"])
    convolution, norm, relu = network.down[0].steps[0]
    with torch.inference_mode():
        taken = torch.stack([relu(norm(convolution(image))) for image in images(network, 32)])[:, 0]
    wanted = [taken.min()[None], taken.max()[None], taken.mean(dim=(0, 2, 3))]
    torch.testing.assert_close(network.down[0][3].seen, torch.cat(wanted))
    assert not hasattr(network.down[0][0], SEEN) and not hasattr(network.head, SEEN), "the ends are exact"
    assert all(hasattr(module, SEEN) for module in convolutions(network).values())


def test_the_notes_of_several_images_are_those_of_each_together():
    network, all_images = built(NETWORKS["unet"]), images(built(NETWORKS["unet"]), 32)
    together, each = ({name: [] for name in convolutions(network)} for _ in range(2))
    for notes, shown in ((together, [all_images]), (each, [[image] for image in all_images])):
        for some in shown:
            watch(network, some)
            for name, module in convolutions(network).items():
                notes[name].append(module.seen)
    lows = torch.stack([seen[0] for (seen,) in together.values()])
    assert (lows < 0).any() and (lows == 0).any(), "before and after a ReLU"
    for name, (seen,) in together.items():
        low, high, *means = torch.stack(each[name]).T
        torch.testing.assert_close(seen, torch.stack([low.min(), high.max(), *(mean.mean() for mean in means)]))


def test_what_is_noted_is_of_the_weights_that_are_kept():
    """The best ones, say, and not the last; on the samples of `WATCHED` steps."""
    last, best = (models.build(**NETWORKS["two channels"]) for _ in range(2))
    shape = best.valid_shape((60, 60))
    samples = [(torch.randn(2, 2, *shape), None, None) for _ in range(WATCHED)]
    run = SimpleNamespace(averaged=lambda: last.eval(), batches=lambda samples: samples, device="cpu")
    kept = best.state_dict()
    network = finished(run, kept, samples)
    assert all(torch.equal(network.state_dict()[name], weights) for name, weights in kept.items())
    watch(best, [image for image, _, _ in samples])
    for one, other in zip(convolutions(network).values(), convolutions(best).values()):
        torch.testing.assert_close(one.seen, other.seen)


def test_nothing_and_zero_stay_what_they_are():
    values = torch.tensor([0.0, 0.5, 2.0, 3.0])
    torch.testing.assert_close(RoundedValues(0.5, 2.0)(values), torch.tensor([0.0, 0.5, 2.0, 2.0]), atol=0.004, rtol=0)
    assert (RoundedValues(0.0, 0.0)(torch.zeros(3)) == 0).all()
    convolution = nn.Conv2d(1, 2, 1)
    convolution.weight.data[0] = 0
    torch.testing.assert_close(RoundedWeights(convolution)(convolution.weight), convolution.weight)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_convolutions_are_those_of_integers(kind):
    torch.manual_seed(0)
    how = {"stride": 2} if kind is nn.ConvTranspose2d else {}
    convolution = kind(3, 5, 2, **how)
    values = torch.randn(1, 3, 9, 9)
    seen = [values.min()[None], values.max()[None], values.mean(dim=(0, 2, 3))]
    convolution.register_buffer(SEEN, torch.cat(seen))
    step = float(values.max() - values.min()) / HIGHEST
    zero = round(-float(values.min()) / step)
    integers = ((values.double() / step).round() + zero).clamp(0, HIGHEST) - zero
    axis = (0, 2, 3) if kind is nn.ConvTranspose2d else (1, 2, 3)
    steps = convolution.weight.detach().abs().amax(dim=axis, keepdim=True) / LARGEST
    whole = (convolution.weight.detach() / steps).round().double()
    exact = kind(3, 5, 2, bias=False, **how).double()
    exact.weight.data = whole
    with torch.no_grad():
        result = rounded(convolution)(values)
        sums = exact(integers) * step * steps.flatten()[:, None, None]
        torch.testing.assert_close(result.double(), sums + convolution.bias[:, None, None], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_rounding_weights_shifts_nothing_on_average(kind):
    """Of an image that is each channel's mean everywhere, a convolution's output has to stay, on average, as it is."""
    torch.manual_seed(0)
    convolution = kind(16, 4, 2, **({"stride": 2} if kind is nn.ConvTranspose2d else {}))
    means = torch.rand(16)
    convolution.register_buffer(SEEN, torch.cat([torch.tensor([0.0, 1.0]), means]))
    image = means[None, :, None, None].expand(1, 16, 6, 6)
    with torch.no_grad():
        wanted = convolution(image).mean(dim=(0, 2, 3))
        _, changed = rounded(convolution)
        found = changed(image).mean(dim=(0, 2, 3))
        changed.bias.data.zero_()
        shifted = changed(image).mean(dim=(0, 2, 3)) - wanted
    torch.testing.assert_close(found, wanted)
    assert shifted.abs().min() > 1e-5, "without the bias it would not"


@pytest.fixture(scope="module")
def network():
    return built(NETWORKS["unet"], 64)


def test_openvino_computes_in_8_bits_what_was_simulated(network):
    image = images(network, 64)[0]
    engine = engines.OpenVino(network, "int8")
    found = engine(image)
    with torch.inference_mode():
        exact, simulated = network(image), quantised(network)(image)
    assert (found - simulated).abs().mean() < 0.1 * (exact - simulated).abs().mean()
    layers = [op.get_rt_info() for op in engine.request.get_compiled_model().get_runtime_model().get_ordered_ops()]
    kinds = ("Convolution", "Deconvolution")
    first, *middle, last = (
        info["runtimePrecision"].astype(str) for info in layers if info["layerType"].astype(str) in kinds
    )
    assert first == last == "f32" and set(middle) <= {"u8", "i8"}


def test_maps_that_died_and_weights_of_nothing_are_no_trouble():
    network = built(NETWORKS["released"], 64)
    network.down[0][0].weight.data.zero_()
    network.down[1][0].weight.data[1:].zero_()
    network.up[0].weight.data.zero_()
    watch(network, images(network, 64))
    with torch.inference_mode():
        wanted = network(images(network, 64)[0])
    torch.testing.assert_close(engines.OpenVino(network, "int8")(images(network, 64)[0]), wanted, atol=0.01, rtol=0)


def test_tiles_dont_show_in_8_bits(network):
    image = images(network, 90)[0][0, 0].numpy()
    how = {"engine": "openvino", "precision": "int8"}
    one, other = (inference.predict(network, image, tile=tile, **how) for tile in ((96, 96), (32, 48)))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_was_noted_is_kept_with_the_weights(network, tmp_path):
    description = {"architecture": NETWORKS["unet"], "normalisation": {"by": "group"}}
    modelfile.save(tmp_path / "model.safetensors", network.state_dict(), description)
    loaded, image = modelfile.load(tmp_path / "model.safetensors"), images(network, 32)[0]
    torch.testing.assert_close(*(engines.OpenVino(one, "int8")(image) for one in (network, loaded)))
    both = {"architecture": {"name": "ensemble", "members": 2, "of": NETWORKS["unet"]}}
    modelfile.save(tmp_path / "both.safetensors", Ensemble([network, loaded]).state_dict(), description | both)
    both, how = modelfile.load(tmp_path / "both.safetensors"), {"engine": "openvino", "precision": "int8"}
    slices = image[0, 0].numpy()
    np.testing.assert_allclose(*(inference.predict(one, slices, **how) for one in (both, loaded)), atol=1e-5)


def test_a_network_that_was_not_watched_is_refused():
    with pytest.raises(InputError, match="train it again with this version, or set prediction/precision to bfloat16"):
        engines.OpenVino(models.build(**NETWORKS["unet"]), "int8")


def test_pytorch_computes_in_bfloat16_instead(network, caplog):
    assert engines.Torch(network, "int8").dtype == engines.Torch(network, "bfloat16").dtype
    assert "only OpenVINO, on a CPU, computes in int8" in caplog.text
