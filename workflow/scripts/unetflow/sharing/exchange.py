"""Models that travel: networks as ONNX, TorchScript, torch.export, and as packages of the BioImage Model Zoo.

What leaves is `Deployable`: it takes images as they come from the microscope, so that nothing can be forgotten. Only a
network that was trained on images each normalised by its own moments takes them so normalised, as packages say.
"""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from skimage.io import imsave
from skimage.transform import resize

from ..datasets import stacks
from ..images.colours import coloured
from ..models.network import centre_crop
from ..normalisation import moments, normalise, per_channel, repeated

INPUT, OUTPUT = "raw", "probability"  # names of the tensors
PAPER = {
    "text": "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015",
    "doi": "10.1007/978-3-319-24574-4_28",
}
UNCHANGED = (0.0, 1.0)
COVER = 400  # pixels per side of each half of the picture in the zoo's listing


class Deployable(torch.nn.Module):
    """Grey values ``float32[n, c, y, x]`` to probabilities of all classes ``float32[n, class, y', x']``.

    model : a network of `unetflow.models`, whose ``normalisation`` becomes part of the graph where it has one.
    """

    def __init__(self, model):
        super().__init__()
        self.model, moments = model.cpu(), repeated(model.normalisation or UNCHANGED, model.in_channels)
        self.mean, self.sd = (torch.as_tensor(per_channel(values)) for values in moments)
        self.eval()

    def forward(self, raw):
        return torch.softmax(self.model((raw - self.mean) / self.sd), dim=1)


def example(model):
    """An input ``float32[1, c, y, x]`` from which graphs are made that fit any size; output of more than a pixel."""
    return torch.zeros(1, model.in_channels, *(side + 2 * model.stride for side in model.valid_shape((1, 1))))


def write_onnx(model, path):
    """Write ``model`` as ONNX for any valid y and x; returns the version of its operators."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that nobody needs here
    program = torch.onnx.export(
        Deployable(model),
        (example(model),),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes={"raw": {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    program.save(str(path))
    return program.model.opset_imports[""]


def write_torch_export(model, path):
    """Write ``model`` as an exported program (`torch.export.load`) for any y and x that give more than a pixel."""
    sides = {"raw": {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}}
    torch.export.save(torch.export.export(Deployable(model), (example(model),), dynamic_shapes=sides), path)


def write_torchscript(model, path):
    """Write ``model`` as TorchScript, one of the zoo's formats, for any valid y and x."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch gives it up, the zoo has not
        torch.jit.trace(Deployable(model), example(model), check_trace=False).save(str(path))


def write_package(model, image, about, files, path):
    """Write ``path``, a bioimage.io package (specification 0.5) of ``model``.

    image : number[y, x] or [c, y, x] of a valid shape, which the package is tested with. about : dict with name,
    description, license (SPDX), authors (list of dicts), tags, and voxel (size of a pixel in y and x; unit or None).
    files : folder with model.safetensors, model.json and README.md, the model card; the other files are put there.
    Raises ValueError, from the specification's own checks, for fields that are not as it wants them.
    """
    from bioimageio.spec import save_bioimageio_package
    from bioimageio.spec.model import v0_5 as spec

    folder = Path(files)
    write_example(model, image, folder)
    write_torchscript(model, folder / "model.pt")
    opset = write_onnx(model, folder / "model.onnx")
    version = spec.Version(torch.__version__.split("+")[0])

    def file(name):
        return spec.FileDescr(source=folder / name)

    description = spec.ModelDescr(
        **{key: about[key] for key in ("name", "description", "license", "tags")},
        authors=[spec.Author(**author) for author in about["authors"]],
        cite=[spec.CiteEntry(**PAPER)],
        documentation=file("README.md"),
        covers=[file("cover.png")],
        attachments=[file("model.safetensors"), file("model.json")],
        inputs=[raw_images(spec, model, about["voxel"], file("test_input.npy"))],
        outputs=[probability_maps(spec, model, about["voxel"], file("test_output.npy"))],
        weights=spec.WeightsDescr(
            torchscript=spec.TorchscriptWeightsDescr(source=folder / "model.pt", pytorch_version=version),
            onnx=spec.OnnxWeightsDescr(source=folder / "model.onnx", opset_version=opset, parent="torchscript"),
        ),
    )
    save_bioimageio_package(description, output_path=Path(path))


def write_example(model, image, folder):
    """Write the image that a package is tested with, what the network makes of it, and a picture of both."""
    raw = image.astype(np.float32).reshape(1, model.in_channels, *image.shape[-2:])
    own = UNCHANGED if model.normalisation else moments([image], model.in_channels)
    with torch.no_grad():
        probability = Deployable(model)(torch.from_numpy(normalise(raw, own))).numpy()
    np.save(folder / "test_input.npy", raw)
    np.save(folder / "test_output.npy", probability)
    write_cover(stacks.own(image, model.neighbours), 1 - probability[0, 0], folder / "cover.png")


def raw_images(spec, model, voxel, test):
    """Description of the input, in the classes of ``spec``; ``test`` is the file that it is tested with."""
    names = channel_names(model)
    sizes = [spec.ParameterizedSize(min=least, step=model.stride) for least in model.valid_shape((1, 1))]
    return spec.InputTensorDescr(
        id=INPUT,
        description="grey values as the microscope gives them",
        axes=axes(spec, names, spec.SpaceInputAxis, sizes, voxel),
        test_tensor=test,
        preprocessing=[] if model.normalisation else [by_channel(spec)],
    )


def channel_names(model):
    """Of what a network sees: "intensity", or "channel0", ...; with neighbours also whose: "intensity_slice-1", ..."""
    channels, beside = model.channels_per_slice, model.neighbours
    names = [f"channel{k}" for k in range(channels)] if channels > 1 else ["intensity"]
    return [f"{name}_slice{z:+d}" for z in range(-beside, beside + 1) for name in names] if beside else names


def by_channel(spec):
    """Each channel less the mean of its own pixels, divided by their standard deviation."""
    over = spec.ZeroMeanUnitVarianceKwargs(axes=[spec.AxisId(axis) for axis in "yx"])
    return spec.ZeroMeanUnitVarianceDescr(kwargs=over)


def probability_maps(spec, model, voxel, test):
    """Description of the output: as large as the input, less the context."""
    sizes = [spec.SizeReference(tensor_id=INPUT, axis_id=axis, offset=-2 * model.context) for axis in "yx"]
    return spec.OutputTensorDescr(
        id=OUTPUT,
        description="class probabilities; without the context that unpadded convolutions take",
        axes=axes(spec, list(model.channels), spec.SpaceOutputAxis, sizes, voxel),
        data=spec.IntervalOrRatioDataDescr(range=(0.0, 1.0)),
        test_tensor=test,
    )


def axes(spec, channels, kind, sizes, voxel):
    """Axes [n, c, y, x] of a tensor; ``kind`` is the class of those in space, ``voxel`` their spacing and its unit."""
    spacing, unit = voxel
    space = [kind(id=a, size=n, scale=in_few_digits(v), unit=unit) for a, n, v in zip("yx", sizes, spacing)]
    return [spec.BatchAxis(size=1), spec.ChannelAxis(channel_names=channels), *space]


def in_few_digits(scale):
    """``scale`` to seven digits, with few enough binary ones that products with sizes are exact.

    The zoo's runtime multiplies a size by the scale of its axis, divides by it again, and cuts off what is behind the
    point: with 0.19 as it is, 220 pixels come back as 219.
    """
    return float(np.float32(scale))


def write_cover(image, probability, path):
    """Write a PNG, twice as wide as high: the middle of the image beside the probability of an object."""
    inner = coloured(centre_crop(image, probability.shape)) / 255
    chance = np.repeat(probability[..., None], 3, axis=-1)
    halves = [resize(half, (COVER, COVER, 3), order=1) for half in (inner, chance)]
    imsave(path, (255 * np.hstack(halves)).astype(np.uint8), check_contrast=False)
