"""Prediction of a large image: our whole job against the bare network, the naive tile loop and MONAI's inferer."""

import copy
import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import zarr
from predict_slab import Inputs, predict_slab
from torch.nn.functional import max_pool2d
from unetflow import memory, modelfile, models
from unetflow.engines import OpenVino, Torch
from unetflow.plan import lay_out
from unetflow.sources import open_source
from unetflow.tiles import read_window

SIZE, SLICES = 2048, 4
ARCHITECTURE = {"name": "unet", "width": 16, "depth": 4}
OPTIONS = {"tile": None, "block": [1, 1024, 1024], "symmetries": ["0"], "store": "float16", "precision": "float32"}


def jobs(folder):
    """(name, ours, peer's name, peer) of functions to time, which predict slices of 2048 x 2048 pixels, uint8."""
    torch.manual_seed(0)
    network = models.build(**ARCHITECTURE).eval()
    description = {"architecture": ARCHITECTURE, "normalisation": {"mean": 128.0, "sd": 70.0}}
    modelfile.save(folder / "model.safetensors", network.state_dict(), description)
    image = np.random.default_rng(0).integers(0, 255, (SLICES, SIZE, SIZE), np.uint8)
    many, one = (planned(folder / str(n), image[:n], network) for n in (SLICES, 1))

    def ours(volume, engine):
        inputs = Inputs(volume.entry, volume.plan, folder / "model.safetensors")
        predict_slab(inputs, volume.slab, "1-of-1", OPTIONS | {"engine": engine}, "cpu", 2**33, "key")

    last_layout = copy.deepcopy(network).to(memory_format=torch.channels_last)
    engines = {"torch": Torch(last_layout), "openvino": OpenVino(network)}
    plan = json.loads(many.plan.read_text())
    window = torch.zeros(1, 1, *memory.window_shape(network, plan["tile"]))

    @torch.inference_mode()
    def bare(engine):
        for _ in range(plan["tiles"]):
            torch.softmax(engines[engine](window), dim=1)

    for engine in engines:
        yield (
            f"predict job, {engine}, {SLICES} slices",
            lambda e=engine: ours(many, e),
            "bare network at the same tile",
            lambda e=engine: bare(e),
        )
    yield (
        "predict job, openvino",
        lambda: ours(one, "openvino"),
        "naive 572 -> 388 loop",
        lambda: naive(network, image[0]),
    )
    try:
        from monai.inferers import sliding_window_inference
    except ImportError:
        print("MONAI is not installed (benchmarks/requirements.txt): its row is left out")
        return
    padded = Padded(**{k: v for k, v in ARCHITECTURE.items() if k != "name"}).eval()
    padded.load_state_dict(network.state_dict())

    @torch.inference_mode()
    def monai():
        inputs = torch.from_numpy(image[None, :1].astype(np.float32))
        torch.softmax(sliding_window_inference(inputs, (512, 512), 1, padded, overlap=0.25, mode="gaussian"), dim=1)

    yield "predict job, openvino", lambda: ours(one, "openvino"), "MONAI sliding_window_inference, defaults", monai


class Planned(NamedTuple):
    """A volume on disk, ready to be predicted: its `volumes` entry, its plan, and where its prediction goes."""

    entry: dict
    plan: Path
    slab: Path


def planned(folder, image, network):
    """``image`` uint8[z, y, x] as a `Planned` volume in a new ``folder``."""
    folder.mkdir()
    zarr.create_array(str(folder / "raw.zarr"), data=image, chunks=(1, 512, 512))
    entry = {"path": str(folder / "raw.zarr"), "axes": "zyx", "voxel_size": [1, 1, 1]}
    plan = lay_out(open_source(**entry), network, OPTIONS, 2**33)
    (folder / "plan.json").write_text(json.dumps(plan))
    return Planned(entry, folder / "plan.json", folder / "slab.zarr")


@torch.inference_mode()
def naive(network, image):
    """The loop that most people write: abutting 388-pixel outputs, one tile after the other."""
    result = np.empty((2, SIZE, SIZE), np.float32)
    for y in range(0, SIZE, 388):
        for x in range(0, SIZE, 388):
            window = read_window(image, (y - 92, x - 92), (572, 572)).astype(np.float32)
            probability = torch.softmax(network(torch.from_numpy(window)[None, None]), dim=1)[0].numpy()
            height, width = min(388, SIZE - y), min(388, SIZE - x)
            result[:, y : y + height, x : x + width] = probability[:, :height, :width]
    return result


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


def rows(in_turn, rounds):
    """Rows of the table of benchmarks, of one thread's CPU seconds."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, ours, peer_name, peer in jobs(Path(folder)):
            ours_s, peer_s = in_turn(ours, peer, rounds)
            yield f"{name}, {SIZE} x {SIZE}, float32", ours_s, peer_s, peer_name
