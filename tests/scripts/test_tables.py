"""Paired differences against SciPy's, verdicts, and the error map."""

import numpy as np
import pandas as pd
import pytest
from collect import collect
from collect_speed import collect_speed
from compare_with_paper import table1, table2
from judge_targets import judge_targets
from plot_calibration import pooled
from plot_comparison import published
from plot_cost import with_minutes
from plot_prediction import in_words
from scipy import stats
from summarise import summarise
from unetflow.engines import INT8, PRECISIONS
from unetflow.metrics.errors import splits_and_mergers
from unetflow.report import figures, methods
from unetflow.report.tables import paired

COLUMNS = ["dataset", "fold", "model", "seed", "image", "metric", "value"]
REPORTED = (
    "table,name,metric,value,protocol,where\n"
    "1,u-net (2015),rand_error,0.04,secret,p. 1\n"
    "2,u-net (2015),phc_u373,0.92,server,p. 2\n"
)


def metrics(path, rows):
    """A table of (dataset, fold, model, seed, metric, value) over all images, with a row of one image to be ignored."""
    full = [(d, f, m, s, image, metric, v) for d, f, m, s, metric, v in rows for image in ("all", "a")]
    frame = pd.DataFrame(full, columns=COLUMNS)
    frame.loc[frame["image"] == "a", "value"] = 99.0
    frame.to_csv(path, index=False)
    return path


def test_metrics_of_a_picture_in_words(tmp_path):
    rows = "image,metric,value\n003,iou,0.91234\n003,seg,\nall,iou,0.5\n"
    (tmp_path / "metrics.csv").write_text(rows)
    assert in_words(tmp_path / "metrics.csv", "003") == "003: iou 0.912"
    assert in_words(tmp_path / "metrics.csv", "all") == "all test slices: iou 0.5"
    assert in_words(tmp_path / "metrics.csv", "004") == "004: not annotated"


def test_nothing_to_evaluate_gives_empty_tables(tmp_path):
    """As when models of others are applied to volumes without truth."""
    (tmp_path / "reported.csv").write_text(REPORTED)
    everything, made = tmp_path / "metrics.csv", tmp_path / "table.csv"
    collect([], everything, COLUMNS)
    table1(everything, tmp_path / "reported.csv", made, ["em"], {})
    assert pd.read_csv(made)["source"].tolist() == ["reported"]
    table2(everything, tmp_path / "reported.csv", made, ["phc_u373"], {})
    assert pd.read_csv(made)["phc_u373"].tolist() == [0.92]
    summarise(everything, made, "u")
    assert len(pd.read_csv(made)) == 0
    claims = [{"claim": "c", "better": "u", "worse": "w", "metrics": ["seg"]}]
    judge_targets(everything, tmp_path / "reported.csv", made, "u", {"1": ["em"], "2": ["phc_u373"]}, claims)
    assert len(pd.read_csv(made)) == 0


@pytest.fixture
def study(tmp_path):
    """Two recipes on three folds; the second has twice the Rand error, and a SEG that is all over the place."""
    rows = []
    for fold, error, spread in ((0, 0.03, 0.3), (1, 0.05, -0.3), (2, 0.034, 0.1)):
        rows += [("em", fold, "u", 0, "rand_error", error), ("em", fold, "w", 0, "rand_error", 2 * error)]
        rows += [("em", fold, "u", 0, "seg", 0.5), ("em", fold, "w", 0, "seg", 0.5 + spread)]
    rows += [("phc_u373", 0, "u", 0, "seg", 0.8), ("phc_u373", 0, "u-seed1", 1, "seg", 0.9)]
    (tmp_path / "reported.csv").write_text(REPORTED)
    return tmp_path, metrics(tmp_path / "metrics.csv", rows)


def test_paired_differences_are_scipys():
    rng = np.random.default_rng(0)
    one, other = (pd.Series(rng.normal(size=7), index=range(7)) for _ in range(2))
    other.index = range(1, 8)  # six in common
    found, test = paired(one, other), stats.ttest_rel(other.loc[1:6], one.loc[1:6])
    interval = test.confidence_interval(0.95)
    assert found["n"] == 6 and found["p"] == pytest.approx(test.pvalue)
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
    differences = other.loc[1:6] - one.loc[1:6]
    assert found["effect"] == pytest.approx(differences.mean() / differences.std())
    alone = paired(one.loc[:1], other)
    assert alone["n"] == 1 and alone["difference"] == pytest.approx(other[1] - one[1]) and np.isnan(alone["low"])
    assert paired(one.loc[:0], other)["n"] == 0


def test_summary(study):
    folder, table = study
    summarise(table, folder / "ablation.csv", "u")
    rows = pd.read_csv(folder / "ablation.csv").set_index(["dataset", "model", "metric"])
    assert rows.loc[("em", "u", "rand_error"), "mean"] == pytest.approx(0.038)
    assert rows["runs"].tolist() == [3, 3, 2, 3, 3] and list(rows.index.get_level_values("model")) == [*"uuuww"]
    assert rows.loc[("em", "w", "rand_error"), "difference"] == pytest.approx(0.038)
    assert np.isnan(rows.loc[("em", "u", "rand_error"), "n"]) and rows.loc[("phc_u373", "u", "seg"), "runs"] == 2


def test_verdicts(study):
    folder, table = study
    claims = [
        {"claim": "good", "better": "u", "worse": "w", "metrics": ["rand_error", "seg"]},
        {"claim": "bad", "better": "w", "worse": "u", "metrics": ["rand_error"]},
    ]
    tables = {"1": ["em"], "2": ["phc_u373"]}
    judge_targets(table, folder / "reported.csv", folder / "targets.csv", "u", tables, claims)
    rows = pd.read_csv(folder / "targets.csv").set_index("target")
    assert rows["verdict"].to_dict() == {
        "u-net (2015): rand_error on em": "reached, under another protocol",
        "u-net (2015): seg on phc_u373": "missed, under another protocol",
        "good: rand_error on em": "holds",
        "good: seg on em": "open",
        "bad: rand_error on em": "fails",
    }
    assert rows["n"].tolist() == [3, 2, 3, 3, 3]


def test_many_metrics_lie_in_rows():
    for count in (0, 1, figures.ACROSS, figures.ACROSS + 2):
        figure, axes = figures.panels_of_metrics(count, height=1, sharey=True)
        assert figure.axes == axes and len(axes) == max(1, count)
        assert len({axis.get_position().y0 for axis in axes}) == (2 if count > figures.ACROSS else 1)


def test_published_figures_stand_beside_objects_too(study):
    reported = pd.read_csv(study[0] / "reported.csv")
    assert published(reported, "em", ["em"]) == {"rand_error": 0.04, "rand_error_of_objects": 0.04}
    assert published(reported, "phc_u373", ["em"]) == {"seg": 0.92}


def test_tables_of_the_paper(study):
    folder, table = study
    table1(table, folder / "reported.csv", folder / "1.csv", ["em"], {"em": "2-fold"})
    rows = pd.read_csv(folder / "1.csv")
    assert rows["name"].tolist() == ["u-net (2015)", "unetflow u (em)", "unetflow w (em)"]
    assert rows["rand_error"].tolist() == pytest.approx([0.04, 0.038, 0.076])
    assert rows.loc[1, "protocol"] == "mean of 3 runs (folds x seeds); 2-fold"
    objects = [("em", 0, "u", 0, "rand_error_of_objects", 0.02), ("em", 1, "u", 0, "rand_error_of_objects", 0.04)]
    both = metrics(folder / "with_objects.csv", [("em", 0, "u", 0, "rand_error", 0.05), *objects])
    table1(both, folder / "reported.csv", folder / "1.csv", ["em"], {"em": "2-fold"})
    rows = pd.read_csv(folder / "1.csv")
    assert rows["name"].tolist() == ["u-net (2015)", "unetflow u (em)", "objects of unetflow u (em)"]
    assert rows["rand_error"].tolist() == pytest.approx([0.04, 0.05, 0.03])
    assert rows.loc[2, "protocol"] == "mean of 2 runs (folds x seeds); 2-fold"
    judge_targets(both, folder / "reported.csv", folder / "targets.csv", "u", {"1": ["em"], "2": []}, [])
    assert pd.read_csv(folder / "targets.csv").set_index("target")["ours_mean"].to_dict() == pytest.approx(
        {"u-net (2015): rand_error on em": 0.05, "u-net (2015): rand_error_of_objects on em": 0.03}
    )
    table2(table, folder / "reported.csv", folder / "2.csv", ["phc_u373", "dic_hela"], {"phc_u373": "swapped"})
    rows = pd.read_csv(folder / "2.csv")
    assert list(rows.columns) == ["name", "phc_u373", "dic_hela", "protocol", "source"]
    assert rows["phc_u373"].tolist() == pytest.approx([0.92, 0.85]) and rows["dic_hela"].isna().all()
    assert rows.loc[1, "protocol"] == "phc_u373: mean of 2 runs (folds x seeds), swapped"


def test_costs(tmp_path):
    (tmp_path / "p.json").write_text('{"seconds": 2.0, "parameters": 7, "device": "cpu"}')
    (tmp_path / "runtime.csv").write_text("rule,model,wall_s\ntrain,u,10\ntrain,u-seed1,20\npredict,u,5\n")
    collect_speed({"u": tmp_path / "p.json"}, tmp_path / "runtime.csv", tmp_path / "speed.csv", {"u": 8}, {"u": []})
    row = pd.read_csv(tmp_path / "speed.csv").iloc[0]
    assert (row["model"], row["seconds"], row["views"], row["training_s"], row["trained"]) == ("u", 2.0, 8, 15.0, 2)


def test_error_map():
    truth = np.repeat([[1] * 10 + [0] + [2] * 10 + [0] + [3] * 10], 4, axis=0)
    found = truth.copy()
    found[:, 7:10] = 9  # a third of the first object is split off
    found[truth == 3] = 2  # the second and the third are merged
    found[0, 10] = 2  # and a pixel too many is nothing
    split, merged = splits_and_mergers(truth, found)
    np.testing.assert_array_equal(split, found == 9)
    assert merged.sum() == 40 and set(truth[merged]) <= {2, 3} and len(set(truth[merged])) == 1
    shown = figures.errors(np.zeros(truth.shape), truth, found).astype(int)
    assert (shown[split, 0] > shown[split, 2]).all() and (shown[merged, 0] < shown[merged, 2]).all()
    for mask in splits_and_mergers(np.where(truth == 3, -1, truth), truth):
        assert not mask.any(), "what is unknown is no error"


def test_bins_of_folds_and_seeds_are_one_by_their_pixels():
    columns = ["model", "of", "low", "pixels", "mean", "share"]
    bins = [("u", "probability", 0.2, 10, 0.25, 0.5), ("u-seed1", "probability", 0.2, 30, 0.21, 0.1)]
    rows = pd.DataFrame([*bins, ("u", "spread", 0.2, 1, 0.2, 0)], columns=columns)
    one, spread = pooled(rows).itertuples()
    assert (one.recipe, one.pixels, one.mean, one.share) == ("u", 40, pytest.approx(0.22), pytest.approx(0.2))
    assert (spread.of, spread.pixels) == ("spread", 1)


def test_an_ensemble_costs_what_its_members_do():
    columns = ["dataset", "fold", "model", "wall_s"]
    trained = pd.DataFrame(
        [("d", "0", "u", 60.0), ("d", "0", "u-seed1", 120.0), ("d", "1", "u", 600.0)], columns=columns
    )
    values = pd.DataFrame([("d", "0", "seeds"), ("d", "0", "u-seed1"), ("d", "all", "folds")], columns=columns[:3])
    members = {"seeds": [(None, "u"), (None, "u-seed1")], "folds": [(0, "u"), (1, "u")], "u": []}
    rows = with_minutes(values, trained, members)
    assert rows["minutes"].tolist() == [3, 2, 11] and rows["recipe"].tolist() == ["seeds", "u", "folds"]


def test_methods_say_which_folds_are_tested():
    slices = [{"annotated": True, "shape": (4, 5), "part": "train"}]
    meta = {"slices": slices, "voxel_size": [1, 1, 1], "unit": "pixel", "mean": 7.0, "sd": 2.5}
    meta |= {"normalisation": "dataset", "objects": ["object"]}
    split = {"method": "images", "folds": 3, "guard": 0}
    assert "; tested: folds 0, 2. Grey" in methods.data("d", meta, split, [0, 2])
    assert "images; fold all is everything annotated. Grey" in methods.data("d", meta, split, ["all"])
    meta["slices"] = [*slices, {"annotated": False, "shape": (4, 5), "part": "test"}]
    said = methods.data("d", meta, split, [0, "all"])
    assert "; tested: fold 0; fold all is everything annotated, tested on the official test images. Grey" in said
    assert said.endswith("normalised by the mean and standard deviation of all slices (7, 2.5).")
    said = methods.data("d", meta | {"normalisation": "group"}, split, [0])
    assert said.endswith("normalised by the mean and standard deviation of each file or sequence.")


def test_methods_say_that_samples_were_deformed_anew():
    recipe = {"steps": 900, "batch": 2, "optimizer": "adamw", "learning_rate": 0.002, "schedule": "constant"}
    recipe |= {"momentum": 0.99, "precision": "float32", "elastic": {"form": "none"}}
    made = {"training": recipe, "architecture": {"name": "unet", "depth": 3}, "device": "cpu"}
    assert "for 900 steps of 2 samples by AdamW at" in methods.training(made, 1000, [0])
    recipe["elastic"] = {"form": "grid", "grid": 3, "sigma": 10}
    said = methods.training(made, 1000, [0])
    assert "2 samples, each with a new elastic deformation from a 3 x 3 grid of Gaussian vectors of 10 pixels" in said


def test_methods_say_how_probabilities_were_computed():
    options = {"symmetries": ["0"], "border": "mirror"}
    precisions = {"float32": "in float32.", "bfloat16": "in bfloat16 (in float32", INT8: "in integers of 8 bits (in"}
    assert precisions.keys() == methods.ARITHMETIC.keys() == {*PRECISIONS, INT8}
    for precision, words in precisions.items():
        assert f"as one view, {words}" in methods.prediction(options | {"precision": precision})


def test_methods_say_how_objects_were_cut():
    options = {"choose": None, "threshold": 0.5, "seed_threshold": None, "neck": None, "connectivity": 1}
    options |= {"min_size": 0, "grow": 0}
    assert "Objects are 4-connected components of what" in methods.objects(options)
    assert "components, parted at necks below 0.9" in methods.objects(options | {"neck": 0.9})
    chosen = options | {"choose": {"metric": "seg", "among": {"threshold": [0.5], "neck": [0.9]}}}
    said = "Objects were cut by threshold, neck that did best by seg on validation and training slices."
    assert methods.objects(chosen) == said


def test_methods_say_how_objects_that_touch_come_apart():
    options = {"samples": 8, "input": 100, "rotation": 180, "mirror": False, "contacts": 0, "neighbours": 0}
    options["elastic"] = {"form": "none"}
    options |= dict.fromkeys(("scale", "contrast", "brightness", "noise"), 0)
    weights = {"form": "classes", "gap": 3, "border_class": 0}
    assert "parted by 3 pixels. Pixels were weighed so that all classes" in methods.samples(options, weights)
    said = methods.samples(options, weights | {"gap": 0, "border_class": 2})
    assert "The outermost 2 pixels of objects were a class" in said and "parted" not in said
    for count, words in ((0, "pixels were drawn"), (1, "with 1 slice above"), (2, "with 2 slices above and below as")):
        assert words in methods.samples(options | {"neighbours": count}, weights)
