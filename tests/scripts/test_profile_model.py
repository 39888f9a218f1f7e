"""What a network costs, counted by shapes, against counting while it predicts."""

import numpy as np
import pytest
from profile_model import SIZE, operations_of
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
