"""The smallest experiment from end to end: what it writes, and what is run again after which change (law 4)."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from axe_playwright_python.sync_playwright import Axe
from conftest import CHROMIUM, ROOT, Pipeline, chromium
from unetflow.metrics.registry import METRICS


def test_metrics_are_tidy(finished):
    table = pd.read_csv(finished.folder / "results/metrics.csv", dtype={"image": str})
    assert list(table.columns) == ["dataset", "fold", "model", "seed", "image", "metric", "value"]
    slices = table[table["dataset"] == "tiny_em"]
    assert set(slices["metric"]) == set(METRICS) - {"seg", "det", "op_csb"}
    split = json.loads((finished.folder / "results/tiny_em/splits.json").read_text())["0"]
    assert set(slices["image"]) == {*split["test"], "all"}
    volume = table[table["dataset"] == "tiny_volume"]
    assert set(volume["image"]) == {"all"} and {"seg", "det", "rand_f_score", "information_score"} < set(
        volume["metric"]
    )
    assert table["value"].between(0, 1).all()


def test_runtime_names_every_measured_job(finished):
    table = pd.read_csv(finished.folder / "results/runtime.csv")
    assert {"wall_s", "peak_rss_mb", "gpu_s"} <= set(table.columns)
    jobs = {"prepare": 1, "weight_map": 1, "augment": 3, "train": 3, "predict": 3, "segment": 3, "evaluate": 3}
    jobs |= {"choose_segmentation": 3, "predict_slab": 1, "stitch": 1, "segment_volume": 1, "evaluate_volume": 1}
    assert table["rule"].value_counts().to_dict() == jobs
    assert (table["wall_s"] > 0).all() and table["gpu_s"].isna().all()


def test_table_1_has_the_paper_and_us(finished):
    table = pd.read_csv(finished.folder / "results/report/table1_em.csv")
    assert list(table.columns) == ["name", "warping_error", "rand_error", "pixel_error", "protocol", "source"]
    reported, measured = (table[table["source"] == source] for source in ("reported", "measured"))
    assert len(reported) + len(measured) == len(table) and table["source"].is_monotonic_decreasing
    errors = reported.set_index("name")[["warping_error", "rand_error", "pixel_error"]]
    assert errors.index[:2].tolist() == ["human values", "u-net (2015)"] and errors.notna().all(axis=None)
    assert errors.loc["u-net (2015)"].tolist() == [0.000353, 0.0382, 0.0611]
    ours = [f"unetflow {name} (tiny_em)" for name in ("several", "summed", "tiny")]
    assert measured["name"].tolist() == [row for name in ours for row in (name, f"objects of {name}")]
    assert measured["protocol"].str.contains("not comparable").all()


def test_recipes_are_compared(finished):
    report = finished.folder / "results/report"
    table2 = pd.read_csv(report / "table2_ctc.csv")
    assert list(table2.columns) == ["name", "phc_u373", "dic_hela", "protocol", "source"]
    ablation = pd.read_csv(report / "ablation.csv").query("dataset == 'tiny_em' and metric == 'iou'")
    assert ablation["model"].tolist() == ["tiny", "several", "summed"] and ablation["n"].fillna(0).tolist() == [0, 1, 1]
    assert ablation["difference"].iloc[1] == pytest.approx(ablation["mean"].iloc[1] - ablation["mean"].iloc[0])
    targets = pd.read_csv(report / "targets.csv")
    assert targets["verdict"].tolist() == ["open", "open"], "one fold decides nothing"
    speed = pd.read_csv(report / "speed.csv").set_index("model")
    assert speed.loc["summed", "parameters"] < speed.loc["tiny", "parameters"]
    assert (speed[["seconds", "peak_mb", "gflop", "training_s"]] > 0).all(axis=None)
    assert speed["trained"].to_dict() == {"tiny": 2, "summed": 1, "several": 2}
    assert speed.loc["several", "gflop"] == pytest.approx(2 * speed.loc["tiny", "gflop"])


def test_probabilities_and_their_spread_are_calibrated(finished):
    bins = pd.read_csv(finished.folder / "results/report/calibration.csv")
    pixels = bins.groupby(["model", "of"])["pixels"].sum()
    assert set(pixels.index) == {(m, of) for m in ("tiny", "summed", "several") for of in ("probability", "spread")}
    assert (pixels == 3 * 72 * 72).all()


def test_the_folds_of_a_recipe_are_one_model_for_volumes(finished, tmp_path):
    pipeline = Pipeline(tmp_path / "folds", "tests/config.yaml", "folds.json")
    for made in ("results", "benchmarks"):
        shutil.copytree(finished.folder / made, pipeline.folder / made)
    run = {"dataset": "tiny_em", "models": ["over_folds"], "folds": ["all"], "volumes": ["tiny_volume"]}
    tested = {"dataset": "tiny_em", "models": ["tiny"], "folds": [0]}
    (pipeline.folder / "folds.json").write_text(json.dumps({"runs": [tested, run]}))
    targets = [f"results/{name}" for name in ("metrics.csv", "runtime.csv", "report/speed.csv", "report/methods.md")]
    for target in targets:
        (pipeline.folder / target).unlink()
    pipeline.run(*targets, "--rerun-triggers", "mtime")
    results = pipeline.folder / "results"
    members = [json.loads((results / f"tiny_em/{fold}/tiny/model.json").read_text()) for fold in (0, 1)]
    description = json.loads((results / "tiny_em/all/over_folds/model.json").read_text())
    assert (description["fold"], description["folds"], description["seeds"]) == ("all", ["0", "1"], [0, 0])
    assert description["weights_of_members"] == [one["weights_sha256"] for one in members]
    spread = zarr.open_group(results / "volumes/tiny_volume/over_folds/prediction.zarr", mode="r")["0"][2]
    assert (spread > 0).any()
    metrics = pd.read_csv(results / "metrics.csv", dtype={"fold": str}).query("model == 'over_folds'")
    assert set(metrics["dataset"]) == {"tiny_volume"} and set(metrics["fold"]) == {"all"}
    trained = pd.read_csv(results / "runtime.csv", dtype={"fold": str}).query("rule == 'train'")
    assert sorted(zip(trained["fold"], trained["model"])) == [("0", "tiny"), ("1", "tiny")]
    assert pd.read_csv(results / "report/speed.csv").set_index("model").loc["over_folds", "trained"] == 2
    said = (results / "report/methods.md").read_text()
    assert "tested: fold 0; fold all is everything annotated. " in said
    assert "The probabilities of the networks of folds 0, 1 were averaged." in said


def test_tiles_dont_show(finished):
    table = pd.read_csv(finished.folder / "results/report/tiling_check.csv")
    assert len(table) == 9 and (table["max_difference"] < 1e-5).all()
    assert set(table["tile"]) == {"36 x 36", "24 x 24", "16 x 16"}


def test_stores(finished):
    folder = finished.folder / "results/tiny_em/0/tiny"
    prediction = zarr.open_group(folder / "prediction.zarr", mode="r")
    assert prediction["0"].shape == (3, 3, 72, 72) and prediction["0"].dtype == "float32"
    assert prediction.attrs["ome"]["multiscales"][0]["axes"][1]["unit"] == "nanometer"
    assert zarr.open_group(folder / "segmentation.zarr", mode="r")["0"].dtype == "int32"
    assert (folder / "model.safetensors").is_file() and (folder / "best.safetensors").is_file()
    history = pd.read_csv(folder / "history.csv")
    assert history["step"].tolist() == [2, 4, 6] and "validation_loss" in history
    assert not list((finished.folder / "results").rglob(".*.partial")), "no state is left"


def test_progress_and_the_log_of_a_job(finished):
    assert "steps (100%) done" in finished.output
    log = (finished.folder / "logs/train/tiny_em/0/tiny.log").read_text()
    assert "step 6 of 6" in log and "validation_iou" in log and "% of the time of the steps" in log


def test_a_second_run_plans_nothing(finished):
    assert finished.planned() == set()


def test_another_number_of_slabs_plans_nothing(finished):
    assert finished.planned("--set-scatter", "slab=5") == set()


def test_any_number_of_slabs_gives_the_same_bytes(finished, tmp_path):
    """Laws 1 and 3 on a volume, through Snakemake."""
    pipeline = Pipeline(tmp_path / "slabs", "tests/config.yaml")
    shutil.copytree(finished.folder / "results", pipeline.folder / "results")
    shutil.rmtree(pipeline.folder / "results/volumes")
    targets = [f"results/volumes/tiny_volume/tiny/{table}.csv" for table in ("metrics", "objects")]
    pipeline.run(*targets, "--set-scatter", "slab=3", "--rerun-triggers", "mtime")
    assert len(list((pipeline.folder / "logs/predict_slab").rglob("*-of-3.log"))) == 3
    ours, theirs = ({k: v for k, v in p.contents().items() if "results/volumes/" in k} for p in (pipeline, finished))
    assert ours.keys() == theirs.keys() and all(ours[k] == theirs[k] for k in ours)


def test_a_plan_is_told_without_predicting(finished, tmp_path):
    pipeline = Pipeline(tmp_path / "plan", "tests/config.yaml")
    said = pipeline.run("plan").stdout
    assert "5 x 75 x 75 voxels in 27 blocks of 2 x 32 x 32" in said and "million voxels per second" in said
    assert not list((pipeline.folder / "results").rglob("*.safetensors")), "a plan needs no training"


def test_an_automatic_recipe_is_found_before_it_is_used_and_its_file_is_checked(tmp_path):
    pipeline = Pipeline(tmp_path / "auto", "tests/config.yaml", "change.json")
    run = {"dataset": "tiny_em", "models": ["found"], "folds": [0]}
    (pipeline.folder / "change.json").write_text(json.dumps({"runs": [run]}))
    assert {"find_recipe", "weight_map", "augment", "train", "profile_model"} < pipeline.planned()
    recipe = pipeline.folder / "results/tiny_em/0/auto.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("{network: {}, weights: {}, augmentation: {}, training: {step: 3}}")
    done = pipeline.run("--dry-run", check=False)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "tiny_em/0/auto.yaml: training/auto has an unknown key 'step'; did you mean 'steps'?" in done.stdout


def test_touching_every_source_plans_nothing(finished):
    later = time.time() + 5
    for file in finished.folder.rglob("*"):
        if file.is_file() and not {"results", ".snakemake", "logs", "benchmarks"} & set(
            file.relative_to(finished.folder).parts
        ):
            os.utime(file, (later, later))
    assert finished.planned() == set()


def test_check_tells_what_was_understood(finished, tmp_path, monkeypatch):
    volume = {"path": str(tmp_path / "v.zarr"), "axes": "zyx", "voxel_size": [2, 1, 1], "segmentation": "em"}
    zarr.create_array(volume["path"], data=np.arange(4 * 30 * 20, dtype=np.uint16).reshape(4, 30, 20))
    run = {"dataset": "tiny_em", "models": ["tiny"], "folds": [0], "volumes": ["mine"]}
    (tmp_path / "mine.json").write_text(json.dumps({"volumes": {"mine": volume}, "runs": [run]}))
    monkeypatch.setattr(finished, "configfiles", (*finished.configfiles, str(tmp_path / "mine.json")))
    said = finished.run("check").stdout
    assert re.search(r"\ntiny_em\n    slices +\d+, of which \d+ annotated\n", said), said
    assert re.search(r"\nmine\n    size \(z, y, x\) +4 x 30 x 20, read from axes zyx\n", said), said


@pytest.mark.parametrize("store", ["tiny_em/0/tiny/segmentation", "volumes/tiny_volume/tiny/prediction"])
def test_the_older_version_is_made_on_request(finished, store):
    assert finished.planned(f"results/{store}.v04.zarr") == {"export_v04"}


def test_a_package_predicts_what_its_model_does(finished, tmp_path):
    """Exported here, brought along there, where no data set is trained on; also the way out as TIFF."""
    source, other = (Pipeline(tmp_path / name, "tests/config.yaml", "more.json") for name in ("source", "other"))
    shutil.copytree(finished.folder / "results", source.folder / "results")
    change = {"export": {"license": "CC0-1.0", "authors": [{"name": "Ada Lovelace"}]}}
    (source.folder / "more.json").write_text(json.dumps(change))
    package, objects = "results/tiny_em/0/tiny/export/model.zip", "results/tiny_em/0/tiny/segmentation.ome.tif"
    source.run(package, objects, "--rerun-triggers", "mtime")
    there = zarr.open_group(source.folder / "results/tiny_em/0/tiny/segmentation.zarr", mode="r")["0"]
    with tifffile.TiffFile(source.folder / objects) as file:
        assert file.is_bigtiff and file.series[0].axes == "ZYX" and file.series[0].dtype == "uint16"
        assert (file.asarray() == there[:]).all() and 'PhysicalSizeZ="50.0"' in file.ome_metadata
    shutil.copytree(finished.folder / "results/tiny_stack", other.folder / "results/tiny_stack")
    brought = {"file": str(source.folder / package), "prediction": "tiny"}
    run = {"models": ["brought"], "volumes": ["tiny_volume"]}
    (other.folder / "more.json").write_text(json.dumps({"models": {"brought": brought}, "runs": [run]}))
    said = other.run("--rerun-triggers", "mtime").stdout
    assert "train" not in re.findall(r"^rule (\w+):", said, re.M) and (other.folder / "results/report.html").is_file()
    ours, theirs = (p.contents() for p in (other, finished))
    names = [name for name in theirs if name.startswith("results/volumes/tiny_volume/tiny/prediction.zarr/0/")]
    assert names and all(ours[name.replace("/tiny/", "/brought/")] == theirs[name] for name in names)
    table = pd.read_csv(other.folder / "results/metrics.csv")
    assert set(table["model"]) == {"brought"} and set(table["dataset"]) == {"tiny_volume"}


FROM_METRICS = {"compare_with_paper", "summarise", "judge_targets", "plot_comparison", "show_table"}
AFTER_EVALUATE = {"evaluate", "collect_metrics", "collect_runtime", "collect_speed", "plot_prediction", *FROM_METRICS}
AFTER_EVALUATE |= {"write_provenance", "collect_calibration", "plot_calibration", "plot_cost"}
OF_OBJECTS = {"segment_volume", "evaluate_volume", "plot_volume", "measure_objects", "plot_objects"}
AFTER_SEGMENT = AFTER_EVALUATE | {"choose_segmentation", "segment", "plot_prediction", "plot_methods"} | OF_OBJECTS
AFTER_PREDICT = AFTER_SEGMENT | {"predict", "predict_slab", "stitch"}
AFTER_TRAIN = AFTER_PREDICT | {"train", "ensemble", "check_tiling", "collect_tiling", "plot_training", "write_methods"}
AFTER_AUGMENT = AFTER_TRAIN | {"augment", "plot_chunks"}
AFTER_WEIGHTS = AFTER_AUGMENT | {"weight_map", "plot_weights"}

PICTURES = {"plot_weights", "plot_chunks", "plot_training", "plot_prediction", "plot_volume", "plot_objects"}
PICTURES |= {"plot_comparison", "plot_methods", "plot_calibration", "plot_cost"}
VOLUME = {"plan_volume", "measure_speed", "predict_slab", "stitch", *OF_OBJECTS}
VOLUME |= {"collect_metrics", "collect_runtime", "collect_speed", "write_provenance", "plot_cost", *FROM_METRICS}

CHANGES = {
    "metrics": ({"metrics": {"em": ["iou"]}}, AFTER_EVALUATE),
    "segmentation": ({"segmentation": {"em": {"min_size": 3}, "tiny_chosen": {"min_size": 3}}},
        AFTER_SEGMENT | {"write_methods"}),
    "prediction": ({"prediction": {"tiny": {"symmetries": ["0"]}}}, AFTER_PREDICT | {"plan_volume", "measure_speed",
        "profile_model", "write_methods"}),
    "training": ({"training": {"tiny": {"learning_rate": 0.5}}}, AFTER_TRAIN),
    "augmentations": ({"augmentations": {"tiny": {"noise": 0.5}}}, AFTER_AUGMENT),
    "weights": ({"weights": {"paper": {"w0": 5}}}, AFTER_WEIGHTS),
    "volumes": ({"volumes": {"tiny_volume": {"voxel_size": [1, 1, 1]}}}, VOLUME),
    "report": ({"report": {"table1": []}}, {"compare_with_paper", "show_table"}),
    "claims": ({"report": {"claims": []}}, {"judge_targets", "show_table"}),
    "another data set": ({"datasets": {"other": {"format": "folder", "path": "nowhere", "voxel_size": [1, 1, 1],
        "split": {"method": "images"}, "segmentation": "em", "metrics": "em"}}}, set()),
}  # fmt: skip


@pytest.mark.parametrize("section", CHANGES)
def test_a_changed_section_reruns_exactly_what_depends_on_it(finished, section):
    change, expected = CHANGES[section]
    (finished.folder / "change.json").write_text(json.dumps(change))
    finished.configfiles = ("tests/config.yaml", "change.json")
    try:
        assert finished.planned() == with_report(expected)
    finally:
        finished.configfiles = ("tests/config.yaml",)


def with_report(rules):
    """Whatever is made anew is shown anew."""
    return rules and rules | {"write_report"}


EDITS = {
    "a comment": ("objects.py", "import numpy", "# why\nimport numpy", set()),
    "deep in the library": ("metrics/warping.py", "kind=\"stable\"", "kind=\"mergesort\"",
        AFTER_SEGMENT - OF_OBJECTS | {"evaluate_volume"}),
    "the objects": ("objects.py", "probability > threshold", "probability >= threshold", AFTER_SEGMENT),
    "the words about speed": ("volumes/speed.py", "expected, by number", "told, by number", {"measure_speed"}),
    "the pictures": ("report/figures.py", "CROP = 384", "CROP = 300", PICTURES),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_edited_code_reruns_exactly_its_users(finished, edit):
    name, before, after, expected = EDITS[edit]
    file = finished.folder / "workflow/scripts/unetflow" / name
    text = file.read_text()
    assert before in text
    try:
        file.write_text(text.replace(before, after))
        assert finished.planned() == with_report(expected)
    finally:
        file.write_text(text)


def test_a_mistake_in_the_configuration_stops_with_one_sentence(finished):
    (finished.folder / "change.json").write_text(json.dumps({"training": {"tiny": {"step": 6}}}))
    finished.configfiles = ("tests/config.yaml", "change.json")
    try:
        done = finished.run("--dry-run", check=False)
    finally:
        finished.configfiles = ("tests/config.yaml",)
    assert done.returncode != 0
    assert "training/tiny has an unknown key 'step'; did you mean 'steps'?" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_preset_rests_on_another_and_below_the_command_line(tmp_path):
    def planned(*options):
        said = pipeline.run("--dry-run", *options).stdout
        return dict(line.split()[:2] for line in said.splitlines() if line.startswith(("train ", "augment ")))

    pipeline = Pipeline(tmp_path / "preset")
    assert planned("--config", "preset=ablation") == {"train": "27", "augment": "144"}
    change = {"preset": "ablation", "runs": [{"dataset": "isbi2012", "models": ["dropout"], "folds": [0]}]}
    (pipeline.folder / "change.json").write_text(json.dumps(change))
    assert planned("--configfile", "change.json") == {"train": "1", "augment": "8"}
    done = pipeline.run("--dry-run", "--config", "preset=ablations", check=False)
    assert done.returncode != 0 and "'ablations', which doesn't exist; did you mean 'ablation'?" in done.stdout


@pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="NOT TESTED: needs Debian's chromium")
def test_the_report_opens_from_disk(finished):
    """In a real browser: nothing is fetched, no error, and every table and picture shows."""
    page_url = (finished.folder / "results/report.html").as_uri()
    errors, requests, shown = [], [], 0
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_url)
        for category in ("Data", "Segmentations", "Tables", "Training"):
            page.get_by_text(category, exact=True).first.wait_for()
        assert serious_violations(page) == []
        page.get_by_text("Segmentations", exact=True).first.click()
        page.get_by_label(re.compile("^show tiny_em, ")).first.click()
        page.get_by_alt_text(re.compile("^Figure: tiny_em, ")).first.wait_for()
        assert serious_violations(page) == []
        results = page.evaluate("Object.entries(results).map(([path, r]) => [path, r.mime_type, r.data_uri])")
        for path, mime, uri in results:
            viewer = browser.new_page()
            viewer.on("pageerror", lambda error: errors.append(str(error)))
            if mime.startswith("image/"):
                viewer.set_content(f'<img id="x" src="{uri}">')
                viewer.wait_for_function("document.getElementById('x').complete")
                assert viewer.evaluate("document.getElementById('x').naturalWidth") > 100, path
                shown += 1
            viewer.close()
    assert shown >= 4, [r[:2] for r in results]
    assert not errors
    assert [url for url in requests if not url.startswith((page_url, "data:", "blob:"))] == []


def serious_violations(page):
    """What axe-core holds against a page once it has settled, for users of keyboards, screen readers, dark or light."""
    for _ in range(10):  # while something fades in, its colours are not what they will be
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
        if not found:
            break
        page.wait_for_timeout(500)
    return [(one["id"], one["nodes"][0]["html"]) for one in found]


@pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="NOT TESTED: needs Debian's chromium")
def test_pages_of_the_report_are_accessible(finished):
    pages = sorted((finished.folder / "results/report/pages").rglob("*.html"))
    assert len(pages) > 8
    with chromium() as browser:
        opened = browser.new_page()
        for path in pages:
            opened.goto(path.as_uri())
            assert serious_violations(opened) == [], path


def test_the_run_is_summed_up(finished):
    note = json.loads((finished.folder / "results/run.json").read_text())
    assert note["status"] == "finished" and note["report"] == "results/report.html"
    names = ("several", "summed", "tiny-seed1", "tiny")
    assert note["models"] == [f"results/tiny_em/0/{name}/model.safetensors" for name in names]
    assert note["jobs"] == len(pd.read_csv(finished.folder / "results/runtime.csv")) > 10
    assert note["peak_rss_mb"] > 0 and {row["metric"] for row in note["metrics"]} >= {"iou", "rand_error"}
    assert all(Path(path).is_file() for path in note["log"])


def test_the_methods_say_what_was_run(finished):
    text = (finished.folder / "results/report/methods.md").read_text()
    for said in ("tiny_em has 6 slices of 72 x 72 pixels", "2 contiguous slabs", "1,886 parameters", "for 6 steps",
        "AdamW at a learning rate of 0.001", "5 samples of 60 x 60", "w0 = 10", "2 symmetries", "contrast varied",
        "tested: fold 0. ", "doi:10.1007/978-3-319-24574-4_28"):  # fmt: skip
        assert said in text, text
    assert "brightness" not in text, "what was not varied is not told"


def test_provenance_names_code_machine_and_models(finished):
    rows = dict(pd.read_csv(finished.folder / "results/report/provenance.csv").itertuples(index=False))
    weights = json.loads((finished.folder / "results/tiny_em/0/tiny/model.json").read_text())["weights_sha256"]
    assert weights in rows["weights of results/tiny_em/0/tiny"]
    assert {"code", "processor", "torch", "snakemake", "seed"} <= set(rows)


def test_rules_are_linted_and_formatted():
    tools = Path(sys.executable).parent
    for command in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "workflow/rules"],
        ["snakemake", "--lint"],
    ):
        done = subprocess.run([tools / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


MODULE = """
configfile: "{here}/config.yaml"
configfile: "{here}/tests/config.yaml"


module unetflow:
    snakefile: "{here}/Snakefile"
    config: config


use rule * from unetflow as unetflow_*


rule paper:
    default_target: True
    input:
        rules.unetflow_all.input,
"""


def test_another_workflow_can_use_it_as_a_module(tmp_path):
    """As docs/extend.md says; every job of the smallest experiment is planned, under another name."""
    (tmp_path / "Snakefile").write_text(MODULE.format(here=ROOT))
    command = [Path(sys.executable).with_name("snakemake"), "--resources", "gpu=0", "--cores", "1"]
    planned = subprocess.run([*command, "-n"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert planned.returncode == 0, planned.stderr[-3000:]
    assert re.search(r"^unetflow_train +3$", planned.stdout, re.M), planned.stdout[-3000:]
    made = "results/tiny_em/0/targets/paper.zarr"
    done = subprocess.run([*command, made], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and (tmp_path / made).is_dir(), done.stderr[-3000:]
