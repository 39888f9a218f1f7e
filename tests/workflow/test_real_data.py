"""The chain on the real ISBI 2012 stack and a real Cell Tracking Challenge set, with a network too small to be good."""

import json

import pandas as pd
from conftest import Pipeline, shared

SMALL = {
    "augmentations": {"tiny": {"weights": "paper", "samples": 4, "samples_per_chunk": 4, "input": 188}},
    "training": {"tiny": {"steps": 100, "optimizer": "adamw", "learning_rate": 0.01, "validate_every": 50}},
    "prediction": {"tiny": {"symmetries": ["0"]}},
    "models": {
        "tiny": {
            "network": "unet",
            "options": {"width": 4, "depth": 2, "norm": "batch", "dropout": 0},
            "augmentation": "tiny",
            "training": "tiny",
            "prediction": "tiny",
        }
    },
    # A few of the ways to cut objects: trying all of them is nearly half the time of a run.
    "segmentation": {"chosen": {"choose": {"among": {"neck": [None], "threshold": [0.5, 0.7], "grow": [0]}}}},
    "report": {"table1": ["isbi2012"]},
}


def run(tmp_path, dataset, path, fold, *tables):
    """The folder of a run up to the metrics and these ``tables``, and the metrics of all test images together."""
    config = SMALL | {"datasets": {dataset: {"path": str(path)}}}
    config["runs"] = [{"dataset": dataset, "models": ["tiny"], "folds": [fold]}]
    pipeline = Pipeline(tmp_path / "run", "real.json")
    (pipeline.folder / "real.json").write_text(json.dumps(config))
    pipeline.run("results/metrics.csv", *tables)
    table = pd.read_csv(pipeline.folder / "results/metrics.csv")
    return pipeline.folder, table[table["image"] == "all"].set_index("metric")["value"]


def test_isbi2012(tmp_path):
    table1 = "results/report/table1_em.csv"
    folder, values = run(tmp_path, "isbi2012", shared("data/isbi2012-em"), 4, table1)
    challenge = {"warping_error", "rand_error", "pixel_error", "v_rand", "v_info"}
    assert set(values.index) == challenge | {f"{name}_of_objects" for name in challenge} | {"iou", "dice", "ece"}
    assert values["pixel_error"] < 0.11, "all white scores 0.125"
    assert values["rand_error_of_objects"] < values["rand_error"], "flooding costs cells no outline"
    assert values.between(0, 1).all()
    ours = pd.read_csv(folder / table1).query("source == 'measured'")
    assert set(ours["protocol"]) == {"one run; 5-fold over contiguous slabs, 1 guard slices on each side"}
    assert ours["name"].tolist() == ["unetflow tiny (isbi2012)", "objects of unetflow tiny (isbi2012)"]


def test_cell_tracking_challenge(tmp_path):
    _, values = run(tmp_path, "phc_u373", shared("data/PhC-C2DH-U373"), 1)
    assert set(values.index) == {"seg", "det", "op_csb", "iou", "dice", "ece"}
    assert values["iou"] > 0.4 and values.between(0, 1).all()
