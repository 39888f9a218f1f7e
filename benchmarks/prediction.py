"""Prediction of large slices: our whole job against the bare network, and against what users would pick instead."""

import copy
import json
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
import zarr
from predict_slab import Inputs, predict_slab
from torch.nn.functional import max_pool2d
from unetflow import memory, models
from unetflow.engines import INT8, PRECISIONS, OpenVino, Torch
from unetflow.images.sources import open_source
from unetflow.quantisation import watch_noise
from unetflow.sharing import modelfile
from unetflow.tiles import read_window
from unetflow.volumes.plan import lay_out

PATCH = (512, 512)  # pixels (y, x) of the peers' windows
ARCHITECTURE = {"name": "unet", "width": 16, "depth": 4}
COMPARED = {"unet": {"width": 16}, "hypercolumn": {"width": 16}, "fcn8s": {"width": 16}, "sliding_window": {}}
OPTIONS = {"tile": None, "block": [8, 1024, 1024], "symmetries": ["0"], "store": "float16", "spread": False}
SIZE, SLICES = 2048, OPTIONS["block"][0]  # a block is filled: what a job takes to begin is a smaller part then


def rows(seconds):
    """(name, our seconds, peer's seconds, peer's name, unit) of one thread, per slice of 2048 x 2048 pixels.

    seconds : function of several functions that gives the median seconds of each, called in turn.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = models.build(**ARCHITECTURE).eval()
    image = np.random.default_rng(0).integers(0, 255, (SLICES, SIZE, SIZE), np.uint8)
    watch_noise(network)
    with tempfile.TemporaryDirectory() as folder:
        volume = planned(Path(folder), image, network)
        for name, job, bare in against_bare_network(volume, network):
            ours, peer = seconds(job, bare) / SLICES
            yield f"predict job, {name}, 2048 x 2048", ours, peer, "bare network at the same tile", "s CPU"
        jobs = {("openvino", precision): volume.job("openvino", precision) for precision in (*PRECISIONS, INT8)}
        peers = others(network, image[0])
        times = seconds(*jobs.values(), *peers.values())
        for (engine, precision), ours in zip(jobs, times[: len(jobs)] / SLICES):
            for peer_name, peer in zip(peers, times[len(jobs) :]):
                yield f"predict job, {engine} {precision}, 2048 x 2048", ours, peer, peer_name, "s CPU"


def engine_rows(seconds):
    """The engine that each network is predicted with on a CPU, against the other one: a tile of 512 x 512 pixels."""
    torch.set_num_threads(1)
    for name, options in COMPARED.items():
        network = models.build(name, **options).eval()
        window = torch.zeros(1, 1, *memory.window_shape(network, PATCH))
        last_layout = copy.deepcopy(network).to(memory_format=torch.channels_last)
        for precision in PRECISIONS:
            engines = {"torch": Torch(last_layout, precision), "openvino": OpenVino(network, precision)}
            times = seconds(*(torch.inference_mode()(partial(engine, window)) for engine in engines.values()))
            times = dict(zip(engines, times))
            ours = times.pop(network.cpu_engine)
            ((other, peer),) = times.items()
            yield f"{name} by {network.cpu_engine}, {precision}, 512 x 512", ours, peer, other, "s CPU"


def against_bare_network(volume, network):
    """(name, whole job, the network alone on as many tiles) for every engine and precision."""
    plan = json.loads(volume.plan.read_text())
    window = torch.zeros(1, 1, *memory.window_shape(network, plan["tile"]))
    last_layout = copy.deepcopy(network).to(memory_format=torch.channels_last)
    engines = {
        ("torch", "float32"): Torch(last_layout),
        ("openvino", "float32"): OpenVino(network),
        ("openvino", "bfloat16"): OpenVino(network, "bfloat16"),
        ("openvino", INT8): OpenVino(network, INT8),
    }

    @torch.inference_mode()
    def bare(engine):
        for _ in range(plan["tiles"]):
            torch.softmax(engine(window), dim=1)

    for name, engine in engines.items():
        yield " ".join(name), volume.job(*name), lambda engine=engine: bare(engine)


def others(network, image):
    """Name -> function that predicts one slice uint8[y, x] with the same weights, as users would without us."""
    peers = {"naive 572 -> 388 loop, float32": lambda: naive(network, image)}
    padded = padded_like(network, ARCHITECTURE)
    last_layout = copy.deepcopy(padded).to(memory_format=torch.channels_last)
    try:
        import monai.inferers  # noqa: F401
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: F401
    except ImportError as error:
        print(f"{error}: the rows of MONAI and nnU-Net are left out (benchmarks/requirements.txt)")
        return peers
    return peers | {
        "MONAI sliding_window_inference, 512, 0.25, gaussian, float32": lambda: with_monai(padded, image),
        "the same, bfloat16, channels_last": lambda: with_monai(last_layout, image, torch.bfloat16),
        "nnU-Net predictor, 512, step 0.5, no mirroring, float32": lambda: with_nnunet(padded, image),
    }


@torch.inference_mode()
def with_monai(network, image, dtype=torch.float32, windows=1):
    """MONAI's inferer, with Gaussian weights on the overlaps, and ``windows`` at once."""
    from monai.inferers import sliding_window_inference

    device = next(network.parameters()).device
    inputs = torch.from_numpy(image[None, None].astype(np.float32)).to(device)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        found = sliding_window_inference(inputs, PATCH, windows, network, overlap=0.25, mode="gaussian")
        torch.softmax(found, dim=1).cpu()


def with_nnunet(network, image):
    """nnU-Net's predictor, with what it needs of a trained configuration made by hand."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.network, predictor.allow_tqdm = network, False
    predictor.configuration_manager = SimpleNamespace(patch_size=PATCH)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=2)
    predictor.allowed_mirroring_axes = None
    logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(image[None, None].astype(np.float32)))
    torch.softmax(logits.float(), dim=0)


class Planned(NamedTuple):
    """A volume on disk, ready to be predicted: its `volumes` entry, its plan, its model, and where its slab goes."""

    entry: dict
    plan: Path
    model: Path
    slab: Path

    def job(self, engine, precision, device="cpu", **others):
        """The whole job: read, predict, write."""
        options = OPTIONS | {"engine": engine, "precision": precision} | others
        inputs = Inputs(self.entry, self.plan, self.model)
        return lambda: predict_slab(inputs, self.slab, "1-of-1", options, device, 2**33, "key")


def planned(folder, image, network, architecture=ARCHITECTURE):
    """``image`` uint8[z, y, x] as a `Planned` volume in ``folder``."""
    description = {"architecture": architecture, "normalisation": {"mean": 128.0, "sd": 70.0}}
    modelfile.save(folder / "model.safetensors", network.state_dict(), description)
    zarr.create_array(str(folder / "raw.zarr"), data=image, chunks=(1, 512, 512))
    entry = {"path": str(folder / "raw.zarr"), "axes": "zyx", "voxel_size": [1, 1, 1]}
    plan = lay_out(open_source(**entry), network, OPTIONS, 2**33)
    (folder / "plan.json").write_text(json.dumps(plan))
    return Planned(entry, folder / "plan.json", folder / "model.safetensors", folder / "slab.zarr")


@torch.inference_mode()
def naive(network, image):
    """The loop that most people write: abutting 388-pixel outputs, one tile after the other."""
    result, device = np.empty((2, SIZE, SIZE), np.float32), next(network.parameters()).device
    for y in range(0, SIZE, 388):
        for x in range(0, SIZE, 388):
            window = read_window(image, (y - 92, x - 92), (572, 572)).astype(np.float32)
            logits = network(torch.from_numpy(window)[None, None].to(device))
            probability = torch.softmax(logits, dim=1)[0].cpu().numpy()
            height, width = min(388, SIZE - y), min(388, SIZE - x)
            result[:, y : y + height, x : x + width] = probability[:, :height, :width]
    return result


def padded_like(network, architecture):
    """A `Padded` with the weights of ``network``, where that is."""
    padded = Padded(**{key: value for key, value in architecture.items() if key != "name"}).eval()
    padded.load_state_dict(network.state_dict(), strict=False)  # what was noted for 8 bits is no part of it
    return padded.to(next(network.parameters()).device)


class Padded(models.UNet):
    """The same network and weights with padded convolutions, as MONAI's inferer wants: output as large as the input."""

    def __init__(self, **options):
        super().__init__(**options)
        for module in self.modules():
            if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3):
                module.padding = (1, 1)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.down):
            x = block(x)
            if level < self.depth:
                skips.append(x)
                x = max_pool2d(x, 2)
        for up, merge in zip(self.up, self.merge):
            x = merge(torch.cat([skips.pop(), up(x)], dim=1))
        return self.head(x)
