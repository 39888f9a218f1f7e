"""What a network costs, counted by shapes, against counting while it predicts."""

import json

import numpy as np
import pytest
from measure_speed import measure_speed
from profile_model import SIZE, operations_of, profile_model
from torch.utils.flop_counter import FlopCounterMode
from unetflow.inference import predict
from unetflow.models import build

SMALL = {"name": "unet", "width": 2, "depth": 2}


@pytest.mark.parametrize("tile", [(128, 128), (384, 384), (640, 640)])
@pytest.mark.parametrize(
    "architecture",
    [SMALL, {"name": "hypercolumn", "width": 2}, {"name": "ensemble", "members": 2, "of": SMALL}],
    ids=lambda architecture: architecture["name"],
)
def test_operations_are_those_of_a_prediction(architecture, tile):
    network = build(**architecture).eval()
    with FlopCounterMode(display=False) as counter:
        predict(network, np.zeros((SIZE, SIZE), np.float32), tile=tile)
    assert operations_of(network, tile) == counter.get_total_flops()


@pytest.mark.parametrize("architecture", [SMALL, {"name": "ensemble", "members": 2, "of": SMALL}])
def test_untrained_networks_are_measured_in_8_bits(architecture, tmp_path):
    options = {"tile": [64, 64], "precision": "int8", "engine": "openvino", "symmetries": ["0"]}
    options |= {"border": "mirror", "spread": False}
    profile_model(tmp_path / "profile.json", architecture, options, "cpu")
    plan = {"tile": [64, 64], "voxels": 4096, "full_tiles": 1, "blocks": 1}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    measure_speed(tmp_path / "plan.json", architecture, options, tmp_path / "speed.json", "cpu")
    assert json.loads((tmp_path / "profile.json").read_text())["seconds"] > 0
    assert json.loads((tmp_path / "speed.json").read_text())["seconds_per_tile"] > 0
