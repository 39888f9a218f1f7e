"""Looking at results: what the browser is sent is what lies on disk, and it shows, without any other machine."""

import os
import time

import numpy as np
import pytest
import tifffile
import zarr
from conftest import CHROMIUM, chromium
from unetflow.images.ngff import create_image
from unetflow.images.sources import open_source
from unetflow.report.viewer import Layer, Picked, levels, serve
from unetflow.volumes.pyramid import add_pyramid
from view import results


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """An image in a TIFF, probabilities in float16 with coarser levels, objects; and the address that serves them."""
    folder, rng = tmp_path_factory.mktemp("scene"), np.random.default_rng(0)
    image = rng.integers(0, 60000, (3, 300, 1100)).astype(np.uint16)
    tifffile.imwrite(folder / "image.tif", image, photometric="minisblack")
    probability = rng.random((2, 3, 300, 1100)).astype(np.float16)
    shard = (1, 256, 256)
    create_image(folder / "p.zarr", probability.shape, "float16", (40, 4, 4), "nanometer", ["a", "b"], shard)[:] = (
        probability
    )
    (folder / "state").mkdir()
    add_pyramid(folder / "p.zarr", folder / "state")
    objects = rng.integers(0, 2**30, (3, 300, 1100)).astype(np.int32)
    create_image(folder / "o.zarr", objects.shape, "int32", (40, 4, 4), "nanometer", shard=shard)[:] = objects
    source = open_source(str(folder / "image.tif"), axes="zyx", voxel_size=(40, 4, 4), unit="nanometer")
    layers = [
        Layer("image", "image", [Picked(source, [2, 0])]),
        Layer("probability", "probability", levels(str(folder / "p.zarr"), channel=1)),
        Layer("objects", "objects", levels(str(folder / "o.zarr"))),
    ]
    expected = image[[2, 0]], np.rint(probability[1].astype(np.float32) * 255).astype(np.uint8), objects
    return serve({"A & B": layers}), layers, expected


def test_every_channel_but_the_background_is_a_layer(tmp_path):
    channels = "background", "object", "border", "spread"
    array = create_image(tmp_path / "p.zarr", (4, 2, 30, 40), "float32", (1, 1, 1), None, channels)
    for channel in range(4):
        array[channel] = channel / 4
    for name in ("kept", "objects"):
        create_image(tmp_path / name, (2, 30, 40), "uint8", (1, 1, 1), None)[:] = 1
    layers = results(str(tmp_path / "p.zarr"), str(tmp_path / "objects"))
    assert [layer.name for layer in layers] == ["inside", "border", "spread", "objects"]
    shown = [layer.levels[0].read((0, 0, 0), (1, 1, 1)).item() for layer in layers]
    assert shown == [0.25, 0.5, 0.75, 1]
    assert [layer.name for layer in results(str(tmp_path / "kept"), str(tmp_path / "objects"))] == ["objects"]


def test_what_is_sent_is_what_lies_there(scene):
    address, layers, expected = scene
    for number, array in enumerate(expected):
        sent = zarr.open_array(f"{address}/0-{number}/0", mode="r", zarr_format=2)
        assert sent.shape == array.shape and sent.dtype.kind == "u"
        np.testing.assert_array_equal(sent[:], array)
    attributes = dict(zarr.open_group(f"{address}/0-1", mode="r", zarr_format=2).attrs)["multiscales"][0]
    assert len(attributes["datasets"]) == len(layers[1].levels) > 1
    coarse = zarr.open_array(f"{address}/0-1/1", mode="r", zarr_format=2)
    assert coarse.shape == (3, 150, 550)
    assert attributes["datasets"][1]["coordinateTransformations"][0]["scale"] == [40, 8, 8]
    np.testing.assert_allclose(coarse[0, 0, 0] / 255, expected[1][0, :2, :2].mean() / 255, atol=0.01)


@pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="NOT TESTED: needs Debian's chromium")
def test_the_browser_shows_it(scene, tmp_path):
    address, _, _ = scene
    errors, requests = [], []
    with chromium("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader") as browser:
        page = browser.new_page(viewport={"width": 900, "height": 600})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 500 else None)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.get_by_text("A & B").click()
        page.get_by_text("probability", exact=True).wait_for()
        deadline = time.monotonic() + 60
        while colours(page, tmp_path / "shown.png") < 5000 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert colours(page, tmp_path / "shown.png") >= 5000, "the canvas stays empty"
    assert not errors
    assert [url for url in requests if "//127.0.0.1:" not in url and not url.startswith(("blob:", "data:"))] == []


def colours(page, path):
    """How many different colours the page shows."""
    from skimage.io import imread

    page.screenshot(path=path)
    return len(np.unique(imread(path)[50:].reshape(-1, 3 if imread(path).shape[-1] == 3 else 4), axis=0))
