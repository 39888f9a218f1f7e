"""Models that travel: other runtimes give our probabilities, packages pass their own checks and come back."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from conftest import ROOT
from export_model import Inputs, export_model
from skimage.io import imread
from train import starting_network
from unetflow import models
from unetflow.datasets.stacks import Slice, Volume, write_volume
from unetflow.inference import predict
from unetflow.sharing import exchange, modelfile, packages
from unetflow.tiles import read_window

NETWORKS = {
    "unet": {"width": 3, "depth": 2, "norm": "batch"},
    "sliding_window": {"width": 3, "hidden": 5, "window": 65},
    "hypercolumn": {"width": 3, "depth": 2, "hidden": 5},
    "fcn16s": {"width": 2, "hidden": 5},
    "ensemble": {"members": 2, "of": {"name": "unet", "width": 3, "depth": 2}},
}
ONE, TWO = (120.0, 30.0), ([120.0, 90.0], [30.0, 20.0])  # moments of one and of two channels
ABOUT = {
    "license": "CC-BY-4.0",
    "authors": [{"name": "Ada Lovelace", "orcid": "0000-0002-1825-0097"}],
    "limits": "Dry.",
}


def network(name="unet", **shape):
    torch.manual_seed(0)
    model = models.build(name, **NETWORKS[name], **shape)
    model.normalisation = (120.0, 30.0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after training, not the identity that it begins as
            module.running_mean.uniform_(-1, 1), module.running_var.uniform_(0.5, 2)
    return model.eval()


def truth(model, raw):
    """Probabilities by the network itself."""
    mean, sd = (torch.tensor(values).reshape(-1, 1, 1) for values in model.normalisation or (0, 1))
    if mean.numel() > 1:
        mean, sd = (values.repeat(2 * model.neighbours + 1, 1, 1) for values in (mean, sd))
    with torch.no_grad():
        return torch.softmax(model((raw - mean) / sd), dim=1).numpy()


def images(model):
    """Raw images of two shapes, neither of them the one that graphs are made from."""
    for shape in ((2 * model.context + 2,) * 2, (2 * model.context + 30, 2 * model.context + 90)):
        yield torch.randint(0, 255, (1, model.in_channels, *model.valid_shape(shape))).float()


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_gives_the_same(name, tmp_path):
    model = network(name)
    exchange.write_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for raw in images(model):
        np.testing.assert_allclose(session.run(None, {"raw": raw.numpy()})[0], truth(model, raw), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_exported_programs_and_torchscript_give_the_same(name, tmp_path):
    model = network(name)
    exchange.write_torch_export(model, tmp_path / "model.pt2")
    exchange.write_torchscript(model, tmp_path / "model.pt")
    loaded = torch.export.load(tmp_path / "model.pt2").module(), torch.jit.load(tmp_path / "model.pt")
    for raw in images(model):
        for one in loaded:
            np.testing.assert_allclose(one(raw).detach().numpy(), truth(model, raw), atol=1e-6)


# Channels of a slice, neighbours, classes, normalisation.
KINDS = [(1, 0, 3, ONE), (1, 1, 2, None), (2, 1, 2, TWO), (2, 0, 2, None)]


@pytest.fixture(scope="module", params=KINDS)
def exported(tmp_path_factory, request):
    """Folder of a model and of what `export_model` makes of it: with and without a border class, for images normalised
    by fixed moments and each by its own, of one channel and of two, alone and between other slices."""
    channels, neighbours, classes, normalisation = request.param
    folder = tmp_path_factory.mktemp("exported")
    sees = {"in_channels": channels * (2 * neighbours + 1), "neighbours": neighbours, "classes": classes}
    model, rng = network(**sees), np.random.default_rng(0)
    described = {"architecture": {"name": "unet", **sees, **NETWORKS["unet"]}, "seed": 3}
    described |= {"normalisation": modelfile.description_of(normalisation)}
    modelfile.save(folder / "model.safetensors", model.state_dict(), described)
    shape = (90, 70) if channels == 1 else (channels, 90, 70)
    images = {name: rng.integers(0, 255, shape).astype(np.uint8) for name in ("sa", "sb")}
    slices = [Slice(name, "g", image, np.eye(90, 70, dtype=int)) for name, image in images.items()]
    write_volume(folder / "volume.zarr", slices, (1, 0.19, 0.19), "micrometer")
    (folder / "splits.json").write_text(json.dumps({"0": {"train": ["sa"], "validation": [], "test": ["sb"]}}))
    (folder / "metrics.csv").write_text("image,metric,value\nsb,iou,0.7\nall,iou,0.75\n")
    inputs = Inputs(*(str(folder / n) for n in ("model.safetensors", "volume.zarr", "splits.json", "metrics.csv")))
    outputs = {"package": "model.zip", "onnx": "model.onnx", "program": "model.pt2", "card": "README.md"}
    outputs = {key: folder / "export" / name for key, name in outputs.items()}
    export_model(inputs, outputs, {"dataset": "cells.v2", "fold": "0", "model": "small"}, ABOUT)
    return folder


def test_the_package_passes_the_tests_of_the_zoo(exported, monkeypatch):
    """Format, links between files, and the test images through ONNX Runtime and TorchScript; without a network."""
    import bioimageio.core

    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    summary = bioimageio.core.test_model(exported / "export/model.zip")
    assert summary.status == "passed", summary.format()
    ran = [detail.name for detail in summary.details if "Reproduce" in detail.name]
    assert len(ran) == 2 and {str(d.loc[-1]) for d in summary.details if "Reproduce" in d.name} == {
        "onnx",
        "torchscript",
    }


@pytest.mark.parametrize("scale", [0.19, 0.65, 4.6, 1 / 3])
def test_sizes_survive_the_arithmetic_of_the_runtime(scale):
    def come_back(one):
        return [size for size in range(1, 20000) if int(size * one / one) != size]

    assert come_back(scale), "as it is, some don't"
    short = exchange.in_few_digits(scale)
    assert come_back(short) == [] and abs(short - scale) < 1e-7 * scale


@pytest.mark.parametrize("exported", KINDS[:1], indirect=True)
def test_the_test_of_a_package_can_fail(exported, tmp_path):
    import bioimageio.core

    with zipfile.ZipFile(exported / "export/model.zip") as package:
        package.extractall(tmp_path)
    np.save(tmp_path / "test_output.npy", np.load(tmp_path / "test_output.npy")[:, ::-1])
    text = (tmp_path / "rdf.yaml").read_text()
    lines = [line for line in text.splitlines() if "sha256" not in line]
    (tmp_path / "rdf.yaml").write_text("\n".join(lines))
    assert bioimageio.core.test_model(tmp_path / "rdf.yaml").status != "passed"


def test_the_card_says_what_the_model_is(exported):
    card = (exported / "export/README.md").read_text()
    for said in (
        "| iou | 0.75 |",
        "Dry.",
        "CC-BY-4.0",
        "Ada Lovelace",
        "0.19 x 0.19 micrometer",
        "`cells.v2`",
        "1 annotated",
    ):
        assert said in card
    network = modelfile.load(exported / "model.safetensors")
    sees, beside = network.in_channels, network.neighbours
    assert f"`float32[1, {sees}, y, x]`" in card and ("2 channels of grey values" in card) == (sees == 2)
    assert ("of each of 3 slices, of which the middle one is predicted, of grey values" in card) == (beside == 1)
    assert "Valid sizes: 44 pixels and every 4 more" in card and "seed: 3" in card
    channels = network.channels
    assert f"of {', '.join(channels)}, `float32[1, {len(channels)}, " in card
    with zipfile.ZipFile(exported / "export/model.zip") as package:
        described = yaml.safe_load(package.read("rdf.yaml"))
    for side, names in (("outputs", list(channels)), ("inputs", exchange.channel_names(network))):
        ((axis,),) = ([axis for axis in one["axes"] if axis["type"] == "channel"] for one in described[side])
        assert axis["channel_names"] == names


@pytest.mark.parametrize("exported", KINDS[1:2], indirect=True)
def test_the_cover_shows_the_slice_alone(exported):
    with zipfile.ZipFile(exported / "export/model.zip") as package:
        cover = imread(io.BytesIO(package.read("cover.png")))
    assert (cover == cover[..., :1]).all(), "neighbours would be colours"


@pytest.mark.parametrize("exported", KINDS[2:3], indirect=True)
def test_a_package_is_tested_with_a_slice_between_others(exported):
    volume = Volume(exported / "volume.zarr")
    with zipfile.ZipFile(exported / "export/model.zip") as package:
        raw = np.load(io.BytesIO(package.read("test_input.npy")))[0]
    start = [(n - m) // 2 for n, m in zip((90, 70), raw.shape[1:])]
    for one, name in zip(np.split(raw, 3), ("sa", "sb", "sa")):
        np.testing.assert_array_equal(one, read_window(volume.image(name), start, raw.shape[1:]))


def test_packages_say_how_images_are_normalised(exported):
    """The package's own test runs what they say; what it expects is what unetflow predicts for the image."""
    network, card = modelfile.load(exported / "model.safetensors"), (exported / "export/README.md").read_text()
    with zipfile.ZipFile(exported / "export/model.zip") as package:
        (described,) = yaml.safe_load(package.read("rdf.yaml"))["inputs"]
        raw, probability = (np.load(io.BytesIO(package.read(f"test_{side}.npy"))) for side in ("input", "output"))
    assert ("zero_mean_unit_variance" in str(described.get("preprocessing"))) == (network.normalisation is None)
    assert ("less the mean of the image" in card) == (network.normalisation is None) != ("mean 120" in card)
    lost = slice(network.context, -network.context)
    image = raw[0] if network.in_channels > 1 else raw[0, 0]
    np.testing.assert_allclose(predict(network, image)[:, lost, lost], probability[0], atol=1e-5)


def test_packages_come_back(exported):
    original, back = modelfile.load(exported / "model.safetensors"), modelfile.load(exported / "export/model.zip")
    raw = next(images(original))
    np.testing.assert_array_equal(truth(original, raw), truth(back, raw))
    description = packages.describe(exported / "export/model.zip")
    assert description["seed"] == 3
    started = starting_network(description["architecture"], exported / "export/model.zip").state_dict()
    assert all(torch.equal(started[name], weights) for name, weights in original.state_dict().items()), "warm start"


def test_reading_descriptions_needs_no_pytorch():
    """Snakemake reads them before every run."""
    code = "import sys, unetflow.experiment.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow/scripts", check=False).returncode == 0
