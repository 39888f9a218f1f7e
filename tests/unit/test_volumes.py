"""Volumes: any block, tile and number of slabs gives the prediction of the whole, in bounded memory."""

import json
import os

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
import zarr
from conftest import ROOT
from evaluate_volume import evaluate_volume
from export_images import export_images
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measure_objects import measure_objects
from plan_volume import plan_volume
from predict_slab import Inputs, predict_slab
from segment_volume import segment_volume
from stitch import stitch
from test_joining import same_partition
from test_volume_objects import OPTIONS as SEGMENTATION
from unetflow import inference, memory, models
from unetflow.blocks import Grid, read_mirrored
from unetflow.errors import InputError
from unetflow.images.outlines import read_outlines
from unetflow.images.sources import Source, open_source
from unetflow.images.tiff import type_of_tiff
from unetflow.metrics.streaming import Counts
from unetflow.objects import segment
from unetflow.predictions import VolumePrediction
from unetflow.sharing import modelfile
from unetflow.tiles import mirror_index, read_window
from unetflow.volumes import pyramid, speed
from unetflow.volumes.plan import lay_out, work_of
from unetflow.volumes.shards import Shards

OPTIONS = {
    "tile": None,
    "block": [2, 16, 24],
    "symmetries": ["0", "90"],
    "store": "float32",
    "spread": False,
    "precision": "float32",
    "engine": "torch",
}
ARCHITECTURE = {"name": "unet", "width": 3, "depth": 2, "norm": "batch", "dropout": 0.0}
PLENTY = 2**32


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return saved(tmp_path_factory.mktemp("model") / "model.safetensors", ARCHITECTURE)


def saved(path, architecture, normalisation=(100.0, 60.0)):
    """The file of a model with random weights."""
    network = models.build(**architecture)
    with torch.no_grad():
        network(torch.randn(2, 1, 60, 60))
    described = {"architecture": architecture, "normalisation": modelfile.description_of(normalisation)}
    modelfile.save(path, network.state_dict(), described)
    return path


def volume(folder, shape, seed=0):
    """A Zarr volume on disk; returns (its `volumes` entry, its values)."""
    values = np.random.default_rng(seed).integers(0, 255, shape, np.uint8)
    zarr.create_array(
        str(folder / "raw.zarr"), data=values, chunks=tuple(max(1, min(256, n // 3)) for n in shape), overwrite=True
    )
    entry = {"path": str(folder / "raw.zarr"), "axes": "zyx", "voxel_size": [50, 4, 4], "unit": "nanometer"}
    return entry, values


def predicted(folder, entry, model, options, slabs=1, room=PLENTY, architecture=ARCHITECTURE):
    """Plan, slabs and stitch as the rules do them; returns the path of the prediction."""
    plan = folder / "plan.json"
    plan_volume(entry, None, architecture, options, plan, room)
    items = [f"{k}-of-{slabs}" for k in range(1, slabs + 1)]
    for item in items:
        predict_slab(Inputs(entry, plan, model), folder / f"{item}.zarr", item, options, "cpu", room, "key")
    stitch([folder / f"{item}.zarr" for item in items], plan, folder / "prediction.zarr", 1, "key")
    return folder / "prediction.zarr"


@pytest.fixture
def power_cuts(monkeypatch):
    """Function of n: from now on every nth block fails to be written. Returns the list of what was tried."""
    original = Shards.write

    def begin(every):
        tried = []

        def write(self, block, values):
            tried.append((self.path.parent.name, self.path.name, block.place))
            if len(tried) % every == 0:
                raise OSError("power cut")
            return original(self, block, values)

        monkeypatch.setattr(Shards, "write", write)
        return tried

    return begin


def again_and_again(job, output):
    """Run ``job`` until it has made ``output``; returns how often it was interrupted."""
    for interruptions in range(20):
        try:
            job()
        except OSError as error:
            assert "power cut" in str(error) and not output.exists()
        else:
            return interruptions
    raise AssertionError("never done")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 50), st.integers(1, 50)),
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
    st.one_of(st.none(), st.tuples(st.integers(1, 5), st.integers(1, 5))),
    st.integers(1, 4),
)
def test_blocks_tiles_and_slabs_dont_show(model, tmp_path_factory, shape, block, tile, slabs):
    folder = tmp_path_factory.mktemp("volume")
    entry, values = volume(folder, shape)
    options = OPTIONS | {"block": [block[0], 4 * block[1], 4 * block[2]], "tile": tile and [4 * n for n in tile]}
    found = zarr.open_group(predicted(folder, entry, model, options, slabs), mode="r")["0"][:]
    expected = inference.predict(modelfile.load(model), values, tta=OPTIONS["symmetries"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=2, max_size=4),
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from(["float32", "uint8", "argmax"]),
    st.booleans(),
)
def test_images_of_different_sizes_are_predicted_as_each_alone(model, tmp_path_factory, sizes, block, store, by_slice):
    folder = tmp_path_factory.mktemp("volume")
    images = [np.random.default_rng(k).integers(0, 255, size, np.uint8) for k, size in enumerate(sizes)]
    for k, image in enumerate(images):
        tifffile.imwrite(folder / f"{k}.tif", image, photometric="minisblack")
    if by_slice:
        model = saved(folder / "model.safetensors", ARCHITECTURE, None)
    options = OPTIONS | {"block": [block[0], 4 * block[1], 4 * block[2]], "store": store}
    entry = {"path": str(folder / "*.tif"), "voxel_size": [1, 1, 1], "axes": "zyx"}
    group = zarr.open_group(predicted(folder, entry, model, options, 2), mode="r")
    export_images(str(folder / "prediction.zarr"), folder / "prediction_images")
    for z, image in enumerate(images):
        alone = inference.predict(modelfile.load(model), image, tta=OPTIONS["symmetries"])
        expected = inference.ENCODINGS[store](torch.from_numpy(alone)).numpy()
        found = group["0"][..., z, : image.shape[0], : image.shape[1]]
        np.testing.assert_allclose(found, expected, atol=1e-5 if store == "float32" else 1)
        np.testing.assert_array_equal(tifffile.imread(folder / f"prediction_images/{z}.tif"), found)
        beyond = np.ones(group["0"].shape[-2:], bool)
        beyond[: image.shape[0], : image.shape[1]] = False
        assert not group["0"][..., z, :, :][..., beyond].any()


def test_objects_in_images_of_different_sizes_are_those_of_each_alone(model, tmp_path):
    """Cut, grown and measured to the border of their own image, through the stores."""
    sizes, how = [(40, 50), (23, 64), (64, 31)], {"threshold": 0.5, "neck": 0.8, "grow": 2, "min_size": 4}
    for k, size in enumerate(sizes):
        image = np.random.default_rng(k).integers(0, 255, size, np.uint8)
        tifffile.imwrite(tmp_path / f"{k}.tif", image, photometric="minisblack")
    entry = {"path": str(tmp_path / "*.tif"), "voxel_size": [1, 1, 1], "axes": "zyx"}
    prediction = predicted(tmp_path, entry, model, OPTIONS | {"block": [2, 16, 24]})
    probability = zarr.open_group(prediction, mode="r")["0"][1]
    how["threshold"] = float(np.median(probability[0, :40, :50]))
    segment_volume(prediction, tmp_path / "s.zarr", SEGMENTATION | how, 1, "key")
    export_images(str(tmp_path / "s.zarr"), tmp_path / "s_images")
    export_images(str(tmp_path / "s.zarr"), tmp_path / "s_outlines", "outlines")
    with pytest.raises(InputError, match="holds no objects"):
        export_images(prediction, tmp_path / "p_outlines", "outlines")
    measure_objects(entry, tmp_path / "s.zarr", tmp_path / "objects.csv", 2, 1, "key")
    labels, table = zarr.open_group(tmp_path / "s.zarr", mode="r")["0"][:], pd.read_csv(tmp_path / "objects.csv")
    cut_off = set()
    for z, (height, width) in enumerate(sizes):
        found = labels[z, :height, :width]
        assert same_partition(read_outlines(tmp_path / f"s_outlines/{z}.geojson", (1, height, width))[0], found)
        expected = segment(probability[z, :height, :width], **how)[0]
        assert expected.max() > 2 and same_partition(found, expected)
        assert np.count_nonzero(labels[z]) == np.count_nonzero(found), "nothing beyond the image"
        np.testing.assert_array_equal(tifffile.imread(tmp_path / f"s_images/{z}.tif"), found)
        cut_off |= set(np.concatenate([found[0], found[-1], found[:, 0], found[:, -1]])) - {0}
    assert set(table.loc[table["at_border"], "object"]) == cut_off != set(table["object"])


def test_any_number_of_slabs_gives_the_same_files(model, tmp_path):
    contents = []
    for slabs in (1, 3, 20):
        folder = tmp_path / str(slabs)
        folder.mkdir()
        entry, _ = volume(tmp_path, (3, 37, 41))
        path = predicted(folder, entry, model, OPTIONS, slabs)
        contents.append({f.relative_to(path): f.read_bytes() for f in path.rglob("*") if f.is_file()})
    assert contents[0] == contents[1] == contents[2]


def test_exposure_changes_nothing_for_networks_that_normalise_each_image_by_itself(tmp_path, caplog):
    torch.manual_seed(0)
    model, found = saved(tmp_path / "m.safetensors", ARCHITECTURE, normalisation=None), []
    for name, contrast, brightness in (("plain", 1, 0), ("bright", 7, 3000)):
        (folder := tmp_path / name).mkdir()
        entry, values = volume(folder, (3, 37, 41))
        exposed = values.astype(np.uint16) * contrast + brightness
        zarr.create_array(entry["path"], data=exposed, overwrite=True)
        options = OPTIONS | {"store": "float32", "block": [2, 16, 20]}
        found.append(zarr.open_group(predicted(folder, entry, model, options, 3), mode="r")["0"][:])
        expected = inference.predict(modelfile.load(model), exposed, tta=OPTIONS["symmetries"])
        np.testing.assert_allclose(found[-1], expected, atol=1e-5)
    np.testing.assert_allclose(*found, atol=1e-4)
    assert found[0][1].std() > 0.01 and "trained on" not in caplog.text


def test_slices_that_are_files_are_normalised_each_by_itself_by_such_networks(tmp_path):
    """As images of the data set were: a volume of a pattern of files is what each file alone gives."""
    torch.manual_seed(0)
    model = saved(tmp_path / "m.safetensors", ARCHITECTURE, normalisation=None)
    _, values = volume(tmp_path, (5, 300, 41))
    images = [image.astype(np.uint16) * (1 + 3 * z) + 500 * z for z, image in enumerate(values)]
    for z, image in enumerate(images):
        tifffile.imwrite(tmp_path / f"{z}.tif", image)
    entry = {"path": str(tmp_path / "*.tif"), "voxel_size": [1, 1, 1]}
    found = zarr.open_group(predicted(tmp_path, entry, model, OPTIONS, 3), mode="r")["0"][:]
    alone = [inference.predict(modelfile.load(model), image, tta=OPTIONS["symmetries"]) for image in images]
    np.testing.assert_allclose(found, np.stack(alone, axis=1), atol=1e-5)
    stack = inference.predict(modelfile.load(model), np.stack(images), tta=OPTIONS["symmetries"])
    assert np.abs(found - stack).max() > 0.01, "no test of this"


@pytest.mark.parametrize("store", ["float32", "float16", "uint8", "argmax"])
def test_what_is_stored(model, tmp_path, store):
    entry, values = volume(tmp_path, (2, 30, 20))
    path = predicted(tmp_path, entry, model, OPTIONS | {"store": store})
    found = VolumePrediction(path).foreground((0, 0, 0), values.shape)
    expected = inference.predict(modelfile.load(model), values, tta=OPTIONS["symmetries"])
    limit = {"float32": 1e-5, "float16": 1e-3, "uint8": 0.5 / 255 + 1e-5}
    if store == "argmax":
        np.testing.assert_array_equal(found, expected.argmax(axis=0))
    else:
        np.testing.assert_allclose(found, expected[1], atol=limit[store])


def test_the_most_probable_class_alone_tells_the_inside_of_objects_from_their_border(tmp_path):
    architecture = ARCHITECTURE | {"classes": 3}
    torch.manual_seed(10)
    model, (entry, values) = saved(tmp_path / "m.safetensors", architecture), volume(tmp_path, (2, 30, 20))
    found = VolumePrediction(
        predicted(tmp_path, entry, model, OPTIONS | {"store": "argmax"}, 1, architecture=architecture)
    )
    best = inference.predict(modelfile.load(model), values, tta=OPTIONS["symmetries"]).argmax(axis=0)
    assert set(np.unique(best)) == {0, 1, 2}
    np.testing.assert_array_equal(found.foreground((0, 0, 0), values.shape), best > 0)
    np.testing.assert_array_equal(found.inside((0, 0, 0), values.shape), best == 1)


@pytest.mark.parametrize("store", ["float16", "uint8"])
def test_objects_are_flooded_from_what_is_off_the_border_where_that_is_a_class(tmp_path, store):
    architecture = ARCHITECTURE | {"classes": 3}
    torch.manual_seed(1)
    model, (entry, values) = saved(tmp_path / "m.safetensors", architecture), volume(tmp_path, (2, 30, 20))
    options = OPTIONS | {"store": store, "spread": True}
    prediction = VolumePrediction(predicted(tmp_path, entry, model, options, 2, architecture=architecture))
    expected = inference.predict(modelfile.load(model), values, tta=OPTIONS["symmetries"])
    window = (0, 0, 0), values.shape
    probability, inside = prediction.foreground(*window), prediction.inside(*window)
    np.testing.assert_allclose(probability, 1 - expected[0], atol=4e-3)
    np.testing.assert_allclose(inside, expected[1], atol=5e-3)
    assert prediction.channels == ["background", "object", "border", "spread"]
    how = {"threshold": float(np.median(probability)), "seed_threshold": float(np.quantile(inside, 0.8))}
    segment_volume(tmp_path / "prediction.zarr", tmp_path / "objects.zarr", SEGMENTATION | how, 1, "key")
    found = zarr.open_group(tmp_path / "objects.zarr", mode="r")["0"][:]
    for z in range(2):
        assert found[z].max() > 1 and same_partition(found[z], segment(probability[z], inside=inside[z], **how)[0])


def test_a_volume_that_is_no_images_is_not_written_as_images(model, tmp_path):
    predicted(tmp_path, volume(tmp_path, (2, 30, 20))[0], model, OPTIONS)
    with pytest.raises(InputError, match=r"not of images; ask for .*prediction\.ome\.tif"):
        export_images(str(tmp_path / "prediction.zarr"), tmp_path / "prediction_images")
    assert not (tmp_path / "prediction_images").exists()


@pytest.mark.parametrize(
    "dtype, values, expected",
    [
        (np.int32, [0, 9], np.uint16),
        (np.uint32, [0, 2**16 - 1], np.uint16),
        (np.int32, [0, 2**16], np.uint32),
        (np.int32, [-5, 9], np.int32),
        (np.uint8, [0, 9], np.uint8),
        (np.float32, [0, 9], np.float32),
    ],
)
def test_the_type_of_a_tiff_holds_its_values(dtype, values, expected):
    assert type_of_tiff(np.array([[values], [values]], dtype)) == expected


def test_the_store_opens_elsewhere(model, tmp_path):
    """Valid OME-Zarr 0.5 with levels, read by ome-zarr-py and by tensorstore."""
    import tensorstore
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader
    from ome_zarr_models.v05 import Image

    entry, _ = volume(tmp_path, (2, 600, 80))
    path = predicted(tmp_path, entry, model, OPTIONS | {"block": [1, 256, 80]})
    image = Image.from_zarr(zarr.open_group(path, mode="r"))
    (multiscale,) = image.ome_attributes.multiscales
    assert [level.path for level in multiscale.datasets] == ["0", "1"]
    full = zarr.open_group(path, mode="r")["0"][:]
    (node,) = Reader(parse_url(path))()
    np.testing.assert_array_equal(np.asarray(node.data[0]), full)
    assert node.data[1].shape == (2, 2, 300, 40)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / "1")}}
    half = tensorstore.open(spec).result().read().result()
    np.testing.assert_allclose(half, full.reshape(2, 2, 300, 2, 40, 2).mean(axis=(3, 5)), atol=1e-6)
    files = [f for f in (path / "0/c").rglob("*") if f.is_file()]
    assert len(files) == json.loads((tmp_path / "plan.json").read_text())["files"] == 6


def test_the_older_version_opens_elsewhere(model, tmp_path):
    """The same image, all levels, as valid OME-Zarr 0.4 that ome-zarr-py, tensorstore and we ourselves read."""
    import tensorstore
    from export_v04 import export_v04
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader
    from ome_zarr_models.v04 import Image

    entry, _ = volume(tmp_path, (2, 600, 80))
    path, exported = predicted(tmp_path, entry, model, OPTIONS | {"block": [1, 256, 80]}), tmp_path / "p.v04.zarr"
    export_v04(path, exported)
    image, levels = Image.from_zarr(zarr.open_group(exported, mode="r")), zarr.open_group(path, mode="r")
    old, new = image.attributes.multiscales[0], levels.attrs["ome"]["multiscales"][0]
    assert [axis.name for axis in old.axes] == [axis["name"] for axis in new["axes"]]
    assert [one.model_dump(mode="json", exclude_none=True) for one in old.datasets] == new["datasets"]
    assert [channel.label for channel in image.attributes.omero.channels] == ["background", "object"]
    (node,) = Reader(parse_url(exported))()
    for name, seen in zip(("0", "1"), node.data, strict=True):
        spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": str(exported / name)}}
        for found in (seen, tensorstore.open(spec).result().read().result()):
            np.testing.assert_array_equal(np.asarray(found), levels[name][:])
    ours = open_source(str(exported), channel=1)
    np.testing.assert_array_equal(ours.read((0, 0, 0), ours.shape), levels["0"][1])


def test_an_interrupted_slab_goes_on_with_what_is_whole(model, tmp_path, power_cuts):
    entry, _ = volume(tmp_path, (4, 30, 50))
    straight = tmp_path / "straight"
    straight.mkdir()
    expected = zarr.open_group(predicted(straight, entry, model, OPTIONS), mode="r")["0"][:]
    plan, slab, blocks = straight / "plan.json", tmp_path / "slab.zarr", len(Grid((4, 30, 50), (2, 16, 24)))
    tried = power_cuts(every=5)
    arguments = (Inputs(entry, plan, model), slab, "1-of-1", OPTIONS, "cpu", PLENTY, "key")
    with pytest.raises(OSError, match="power cut"):
        predict_slab(*arguments)
    assert not slab.exists()
    state = next(tmp_path.glob(".slab.zarr.*"))
    broken = next(f for f in (state / "prediction.zarr/0/c").rglob("*") if f.is_file())
    broken.write_bytes(broken.read_bytes()[:-1])  # a file cut off on the disk
    interruptions = again_and_again(lambda: predict_slab(*arguments), slab) + 1
    assert len(tried) == blocks + interruptions + 1, "no blocks but the broken ones and the one cut off are done twice"
    np.testing.assert_array_equal(zarr.open_group(slab, mode="r")["0"][:], expected)


def test_blocks_of_another_model_are_not_kept(tmp_path, power_cuts):
    """A job is interrupted, and begun anew with other weights in the same file."""
    mine, slab = tmp_path / "mine.safetensors", tmp_path / "slab.zarr"
    entry, _ = volume(tmp_path, (4, 30, 50))
    predicted(tmp_path, entry, saved(mine, ARCHITECTURE), OPTIONS)
    arguments = (Inputs(entry, tmp_path / "plan.json", mine), slab, "1-of-1", OPTIONS, "cpu", PLENTY, "key")
    power_cuts(every=5)
    with pytest.raises(OSError, match="power cut"):
        predict_slab(*arguments)
    saved(mine, ARCHITECTURE)
    again_and_again(lambda: predict_slab(*arguments), slab)
    power_cuts(every=10**6)
    expected = zarr.open_group(predicted(tmp_path, entry, mine, OPTIONS), mode="r")["0"][:]
    np.testing.assert_array_equal(zarr.open_group(slab, mode="r")["0"][:], expected)


@pytest.mark.parametrize(
    "options", [{"fill_holes": True}, {"threshold": 0.45, "seed_threshold": 0.5}], ids=["components", "flooded"]
)
def test_interrupted_objects_go_on_with_what_is_whole(model, tmp_path, power_cuts, options):
    entry, _ = volume(tmp_path, (4, 30, 50))
    prediction, options = predicted(tmp_path, entry, model, OPTIONS), SEGMENTATION | options
    segment_volume(prediction, tmp_path / "straight.zarr", options, 1, "key")
    expected = zarr.open_group(tmp_path / "straight.zarr", mode="r")
    tried, output = power_cuts(every=17), tmp_path / "objects.zarr"
    interruptions = again_and_again(lambda: segment_volume(prediction, output, options, 1, "key"), output)
    blocks, arrays = len(Grid((4, 30, 50), (2, 16, 24))), 3
    assert interruptions == 2 and len(tried) == arrays * blocks + interruptions, "only broken blocks are done twice"
    found = zarr.open_group(output, mode="r")
    assert dict(found.attrs) == dict(expected.attrs) and found["0"][:].max() > 1
    np.testing.assert_array_equal(found["0"][:], expected["0"][:])


def test_objects_of_another_prediction_are_made_anew(model, tmp_path, power_cuts):
    entry, _ = volume(tmp_path, (4, 30, 50))
    prediction, output = predicted(tmp_path, entry, model, OPTIONS), tmp_path / "objects.zarr"
    tried, blocks = power_cuts(every=5), len(Grid((4, 30, 50), (2, 16, 24)))
    with pytest.raises(OSError, match="power cut"):
        segment_volume(prediction, output, SEGMENTATION, 1, "key")
    os.utime(next(file for file in (prediction / "0/c").rglob("*") if file.is_file()), (0, 0))
    tried = power_cuts(every=1000)
    segment_volume(prediction, output, SEGMENTATION, 1, "key")
    assert len(tried) == 2 * blocks


@pytest.mark.parametrize("labels", [False, True])
def test_interrupted_levels_go_on_with_what_is_whole(model, tmp_path, power_cuts, monkeypatch, labels):
    """Levels are means, or for labels one of the pixels."""
    monkeypatch.setattr(pyramid, "SMALLEST_LEVEL", 20)
    entry, _ = volume(tmp_path, (3, 37, 50))
    prediction, output = predicted(tmp_path, entry, model, OPTIONS), tmp_path / "again.zarr"

    def job():
        if labels:
            return segment_volume(prediction, output, SEGMENTATION, 1, "key")
        return stitch([tmp_path / "1-of-1.zarr"], tmp_path / "plan.json", output, 1, "key")

    tried = power_cuts(every=6)
    interruptions = again_and_again(job, output)
    whole, *levels = (len(Grid(shape, (2, 16, 24))) for shape in ((3, 37, 50), (3, 19, 25), (3, 10, 13)))
    assert interruptions > 0 and len(tried) == 2 * whole * labels + sum(levels) + interruptions
    group = zarr.open_group(output, mode="r")
    for name, finer in (("1", group["0"][:]), ("2", group["1"][:])):
        padded = np.pad(finer, [(0, 0)] * (finer.ndim - 2) + [(0, n % 2) for n in finer.shape[-2:]], mode="edge")
        four = [padded[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]
        np.testing.assert_allclose(group[name][:], four[0] if labels else np.mean(four, axis=0), atol=1e-6)


def test_an_interrupted_evaluation_goes_on_with_what_is_whole(model, tmp_path, monkeypatch):
    entry, values = volume(tmp_path, (4, 30, 50))
    prediction, objects = predicted(tmp_path, entry, model, OPTIONS), tmp_path / "objects.zarr"
    segment_volume(prediction, objects, SEGMENTATION, 1, "key")
    zarr.create_array(str(tmp_path / "truth.zarr"), data=(values > values.mean()).astype(np.uint8), chunks=(2, 16, 24))
    truth = {"path": str(tmp_path / "truth.zarr"), "axes": "zyx", "array": None, "channel": None, "time": None}
    truth |= {"labels": "binary", "classes": None, "ignore": None, "dimensions": 2}
    ids = {"dataset": "d", "fold": 0, "model": "m", "seed": 0}

    def job(table):
        evaluate_volume(truth, prediction, objects, table, ids, 1, "key")

    job(tmp_path / "straight.csv")
    classes = np.where(values > values.mean(), 3, 5).astype(np.uint8)
    zarr.create_array(str(tmp_path / "classes.zarr"), data=classes, chunks=(2, 16, 24))
    one_of_them = truth | {"path": str(tmp_path / "classes.zarr"), "labels": "classes", "classes": {"object": 3}}
    evaluate_volume(one_of_them, prediction, objects, tmp_path / "class.csv", ids, 1, "key")
    assert (tmp_path / "class.csv").read_text() == (tmp_path / "straight.csv").read_text()
    saved, original = [], Counts.save

    def failing(self, path):
        saved.append(path)
        if len(saved) % 5 == 0:
            raise OSError("power cut")
        original(self, path)

    monkeypatch.setattr(Counts, "save", failing)
    interruptions = again_and_again(lambda: job(tmp_path / "table.csv"), tmp_path / "table.csv")
    assert interruptions == 2 and len(saved) == len(Grid((4, 30, 50), (2, 16, 24))) + interruptions
    assert (tmp_path / "table.csv").read_text() == (tmp_path / "straight.csv").read_text()


def test_stitching_refuses_slabs_with_missing_files(model, tmp_path):
    entry, _ = volume(tmp_path, (2, 30, 50))
    predicted(tmp_path, entry, model, OPTIONS)
    next(f for f in (tmp_path / "1-of-1.zarr/0/c").rglob("*") if f.is_file()).unlink()
    with pytest.raises(InputError, match="hold 5 of 6 files"):
        stitch([tmp_path / "1-of-1.zarr"], tmp_path / "plan.json", tmp_path / "again.zarr", 1, "key")


def test_less_memory_gives_smaller_tiles_and_the_same_result(model, tmp_path):
    network = modelfile.load(model)
    entry, values = volume(tmp_path, (1, 150, 140))
    options = OPTIONS | {"block": [1, 152, 152]}
    source = Source("raw", values, "zyx", {}, (1, 1, 1))
    large = lay_out(source, network, options, PLENTY)
    small = lay_out(source, network, options, large["bytes_of_memory"] - 2**20)
    assert large["tile"] == [152, 140] and max(small["tile"]) < 152
    assert small["bytes_of_memory"] <= large["bytes_of_memory"] - 2**20
    assert small["share_of_border"] > large["share_of_border"]
    (tmp_path / "little").mkdir()
    found = (
        predicted(tmp_path, entry, model, options),
        predicted(tmp_path / "little", entry, model, options, room=large["bytes_of_memory"] - 2**20),
    )
    one, other = (zarr.open_group(path, mode="r")["0"][:] for path in found)
    np.testing.assert_allclose(one, other, atol=1e-5)
    with pytest.raises(InputError, match=r"the smallest tile needs .* raise the memory limit"):
        lay_out(source, network, options, 2**20)


class Counting:
    """Stands for a predictor, and for a volume: counts what the one is given and what is read of the other."""

    def __init__(self, network, shape, sizes):
        self.model, self.channels, self.windows, self.voxels_read = network, 2, [], 0
        self.device = torch.device("cpu")
        self.shape, self.dtype, self.sizes = shape, np.dtype(np.uint8), sizes

    def for_slice(self, source, z):
        return self

    def __call__(self, window):
        self.windows.append(window.shape[-2:])
        return torch.zeros(2, *(size - 2 * self.model.context for size in self.windows[-1]))

    def size(self, z):
        return self.sizes[z]

    def read(self, start, stop):
        shape = tuple(b - a for a, b in zip(start, stop))
        self.voxels_read += int(np.prod(shape))
        return np.zeros(shape, np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_work_is_as_planned(data):
    """Tiles, what the network is given and what is read, of images of one size or of several, for any blocks."""
    network = models.build("unet", width=1, depth=data.draw(st.integers(1, 2)))
    side, multiple = st.integers(1, 150), st.integers(1, 12).map(lambda n: n * network.stride)
    sizes = data.draw(st.lists(st.tuples(side, side), min_size=1, max_size=4))
    shape = (len(sizes), *(max(one) for one in zip(*sizes)))
    block = (data.draw(st.integers(1, len(sizes))), data.draw(multiple), data.draw(multiple))
    tile = tuple(min(data.draw(multiple), b) for b in block[1:])
    counting = Counting(network, shape, sizes)
    inference.predict_blocks(counting, counting, Grid(shape, block), tile, "float16", lambda *_: None, lambda _: None)
    planned = work_of(counting, block, tile, network)
    assert planned["tiles"] == len(counting.windows)
    assert planned["pixels"] == sum(height * width for height, width in counting.windows)
    assert planned["voxels_read"] == counting.voxels_read
    assert planned["voxels"] == sum(height * width for height, width in sizes)


def test_hours_are_those_of_what_is_computed():
    """Four tiles, three of them a narrow rest, take as long as little more than one."""
    plan = {"voxels": 1100**2, "tiles": 4, "full_tiles": 1.5, "blocks": 4}
    assert speed.hours(plan, 2.0, 1) == pytest.approx((speed.START_UP + 3.0) / 3600)
    assert next(speed.in_words(plan, 2.0, "cpu")).startswith("0.403 million voxels per second")


def test_memory_does_not_grow_with_the_volume(model):
    network = modelfile.load(model)
    plans = [
        lay_out(Source("raw", np.broadcast_to(np.uint8(0), (n, n, n)), "zyx", {}), network, OPTIONS, PLENTY)
        for n in (256, 2048, 16384)
    ]
    assert len({plan["bytes_of_memory"] for plan in plans}) == 1 and plans[2]["blocks"] > 64 * plans[1]["blocks"]


def test_a_gpu_without_memory_gets_smaller_tiles(model):
    """The tile is halved until it fits, and the result is the same."""
    network = modelfile.load(model)
    values = np.random.default_rng(0).integers(0, 255, (3, 70, 64), np.uint8)
    source, seen = Source("raw", values, "zyx", {}), []

    class Small(inference.Predictor):
        def __call__(self, window):
            seen.append(window.shape)
            if max(window.shape) > 80:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().__call__(window)

    result = np.zeros((2, *values.shape), np.float32)
    grid = Grid(values.shape, (1, 64, 64))
    inference.predict_blocks(
        Small(network),
        source,
        list(grid),
        (64, 64),
        "float32",
        lambda block, found: result.__setitem__((slice(None), *block.slices), found),
        lambda _: None,
    )
    np.testing.assert_allclose(result, inference.predict(network, values), atol=1e-5)
    assert sum(max(shape) > 80 for shape in seen) == 1, "a size that failed is tried again"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_windows_are_mirrored_as_arrays_are(data):
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)))
    values = np.random.default_rng(0).integers(0, 255, shape)
    start = data.draw(st.tuples(st.just(0), st.integers(-20, 8), st.integers(-20, 8)))
    size = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    stop = (shape[0], start[1] + size[0], start[2] + size[1])
    by_index = values[:, *np.ix_(*map(mirror_index, start[1:], size, shape[1:]))]
    np.testing.assert_array_equal(read_mirrored(Source("raw", values, "zyx", {}), start, stop), by_index)
    np.testing.assert_array_equal(read_window(values, start[1:], size), by_index)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(1, 20)] * 3), st.tuples(*[st.integers(1, 9)] * 3), st.integers(1, 12))
def test_slabs_partition_the_volume(shape, block, slabs):
    written = np.zeros(shape, int)
    for number in range(1, slabs + 1):
        for part in Grid(shape, block).slab(f"{number}-of-{slabs}"):
            written[part.slices] += 1
    assert (written == 1).all()


def test_a_networks_memory_is_what_it_takes():
    """The estimate against the real peak of a process (subprocess, so that nothing else counts)."""
    import subprocess
    import sys

    script = """
import sys, torch, psutil
sys.path.insert(0, "workflow/scripts")
from unetflow import memory, models

def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

torch.set_num_threads(1)
network = models.build("unet", width=16, norm="batch").to(memory_format=torch.channels_last).eval()
with torch.inference_mode():
    network(torch.zeros(1, 1, 188, 188).to(memory_format=torch.channels_last))
    before = psutil.Process().memory_info().rss
    network(torch.zeros(1, 1, 764, 764).to(memory_format=torch.channels_last))
    used = peak() - before
print(memory.network_bytes(network, (764, 764)), used)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    estimated, measured = map(int, done.stdout.split())
    assert measured <= estimated <= 2 * measured, (estimated, measured)


@pytest.mark.parametrize("engine", inference.ENGINES)
def test_images_of_many_sizes_take_the_memory_of_the_largest(engine):
    """Law 5 where every image has a size of its own; measured in a process that predicts the largest first."""
    import subprocess
    import sys

    script = f"""
import sys, torch
sys.path.insert(0, "workflow/scripts")
import numpy as np
from unetflow import inference, models

def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

torch.set_num_threads(1)
predictor = inference.Predictor(models.build("unet", width=24, depth=2).eval(), engine={engine!r}, moments=(0, 1))
peaks = []
for side in (604, *range(604, 404, -20)):
    predictor(np.zeros((side, side), np.float32))
    peaks.append(peak())
print(peaks[1], peaks[-1])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    largest, all_of_them = map(int, done.stdout.split())
    assert all_of_them < 1.5 * largest, "a memory for each would take three times as much"


def test_files_that_are_decoded_whole_are_counted(tmp_path):
    """One voxel of a pattern of files takes all of one file; compared with the peak of a process that reads it."""
    import subprocess
    import sys

    side = 4000
    image = np.random.default_rng(0).integers(0, 200, (side, side)).astype(np.uint16)
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", image, compression="zlib", rowsperstrip=side)
    script = f"""
import sys, psutil
sys.path.insert(0, "workflow/scripts")
from unetflow import memory
from unetflow.images.sources import open_source

source = open_source({str(tmp_path / "*.tif")!r})
import imagecodecs, tifffile
before = psutil.Process().memory_info().rss
source.read((0, 0, 0), (1, 8, 8))
source.moments_of_slice(1)
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(memory.decoding_bytes(source), peak - before)
"""
    network, source = models.build(**ARCHITECTURE), open_source(str(tmp_path / "*.tif"))
    assert memory.buffer_bytes(source, network, (1, 16, 16), OPTIONS) > memory.decoding_bytes(source)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    estimated, measured = map(int, done.stdout.split())
    assert 2 * side**2 < measured <= estimated <= 4 * measured, (estimated, measured)


def test_limits_of_memory_are_seen():
    free = memory.available()
    assert memory.available(mem_mb=500) <= min(free, 500e6) and free > 0


MEASURE = """
import json, resource, sys
sys.path.insert(0, "workflow/scripts")
import numpy as np, psutil, torch
from unetflow import memory, models
from unetflow.images.sources import open_source
from unetflow.sharing import modelfile
from unetflow.volumes.plan import lay_out
from unetflow.volumes.shards import Shards
import predict_slab

# Beside what the libraries take, which is 2.5 GB more with PyTorch's build for GPUs.
resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2 * 2**30,) * 2)
torch.set_num_threads(1)
folder, engine, architecture, options = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
entry = {"path": f"{folder}/raw.zarr", "axes": "zyx", "voxel_size": [1, 1, 1]}
plan = json.load(open(f"{folder}/plan.json"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
inputs = predict_slab.Inputs(entry, f"{folder}/plan.json", f"{folder}/../model.safetensors")
predict_slab.predict_slab(
    inputs, f"{folder}/slab.zarr", "1-of-1", options | {"engine": engine}, "cpu", memory.available(), "key"
)
print(before * 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_memory_is_as_announced_whatever_the_size(tmp_path, engine):
    """Law 5, under a limit of the address space: 8 times the volume, the same peak."""
    import subprocess
    import sys

    architecture = {"name": "unet", "width": 8, "depth": 2}
    network = models.build(**architecture)
    description = {"architecture": architecture, "normalisation": {"mean": 128.0, "sd": 60.0}}
    modelfile.save(tmp_path / "model.safetensors", network.state_dict(), description)
    options, peaks = OPTIONS | {"block": [1, 256, 256], "symmetries": ["0"], "store": "float16"}, []
    for name, shape in (("small", (1, 768, 768)), ("large", (2, 1536, 1536))):
        folder = tmp_path / name
        folder.mkdir()
        _, values = volume(folder, shape)
        plan = lay_out(Source("raw", values, "zyx", {}), network, options, PLENTY)
        (folder / "plan.json").write_text(json.dumps(plan))
        command = [sys.executable, "-c", MEASURE, str(folder), engine, json.dumps(architecture), json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr[-3000:]
        before, peak = map(int, done.stdout.split()[-2:])
        libraries = 250e6 if engine == "openvino" else 60e6  # loaded during the job
        assert peak - before <= plan["bytes_of_memory"] + libraries
        peaks.append(peak)
    assert abs(peaks[1] / peaks[0] - 1) < 0.05, peaks


def test_what_would_be_found_out_too_late_is_refused_when_planning(model, tmp_path, caplog):
    entry, values = volume(tmp_path, (2, 30, 20))
    arguments = (ARCHITECTURE, OPTIONS, tmp_path / "plan.json", PLENTY)
    with pytest.raises(InputError, match="does not say how large its voxels are; add voxel_size"):
        plan_volume(entry | {"voxel_size": None}, None, *arguments)
    zarr.create_array(str(tmp_path / "truth.zarr"), data=values[:, :-1])
    with pytest.raises(InputError, match=r"truth.zarr has shape \(2, 29, 20\), but the volume"):
        plan_volume(entry, {"path": str(tmp_path / "truth.zarr"), "axes": "zyx"}, *arguments)
    assert not (tmp_path / "plan.json").exists()
    zarr.create_array(entry["path"], data=values.astype(np.uint16) * 256, overwrite=True)
    plan_volume(entry, None, *arguments)
    inputs = Inputs(entry, tmp_path / "plan.json", model)
    predict_slab(inputs, tmp_path / "s.zarr", "1-of-1", OPTIONS, "cpu", PLENTY, "key")
    assert "trained on 100 and 60; unless it is mostly empty, convert the volume" in caplog.text
