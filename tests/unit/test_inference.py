"""Law 1: tiles don't show."""

import sys
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from unetflow import blocks, engines, gpu, inference, memory, models, symmetries, tiles
from unetflow.models.network import Block


@pytest.fixture(scope="module", params=["none", "batch"])
def network(request):
    torch.manual_seed(1)
    network = models.build("unet", width=4, depth=2, norm=request.param).train()
    with torch.no_grad():
        network(torch.randn(2, 1, 60, 60))  # gives the normalisation layers statistics of their own
    return network.eval()


def whole(network, image):
    """The network on the whole image at once, mirrored by NumPy."""
    context, (height, width) = network.context, image.shape
    shape = network.valid_shape((height + 2 * context, width + 2 * context))
    after = [n - size - context for n, size in zip(shape, image.shape)]
    padded = np.pad(image, [(context, after[0]), (context, after[1])], mode="reflect")
    with torch.inference_mode():
        probability = torch.softmax(network(torch.from_numpy(padded)[None, None].float()), 1)[0].numpy()
    return probability[:, :height, :width]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "int32", "uint64", "float16", "float32", ">f4", "float64"])
def test_values_of_any_type_are_the_same_numbers_and_stay_as_they_are(network, dtype):
    values = np.random.default_rng(0).integers(0, 60000, (1, 1, *network.valid_shape((30, 30)))).astype(dtype)
    values.flags.writeable = False
    image = values[0, 0]
    result = inference.predict(network, image)
    np.testing.assert_array_equal(result, inference.predict(network, image.astype(np.float32)))
    normalised, kept = deepcopy(network), values.copy()
    normalised.normalisation = 100.0, 60.0
    assert inference.Predictor(normalised)(kept[0, 0]).isfinite().all()
    np.testing.assert_array_equal(kept, values)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_shape_and_any_tile_equal_the_whole_image(network, data):
    height, width = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    tile = tuple(4 * data.draw(st.integers(1, 20)) for _ in range(2))
    image = np.random.default_rng(height * width).normal(size=(height, width)).astype(np.float32)
    result = inference.predict(network, image, tile=tile)
    assert result.shape == (2, height, width) and result.dtype == np.float32
    np.testing.assert_allclose(result, whole(network, image), atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_tiles_dont_show_under_symmetries_either(network, data):
    image = np.random.default_rng(0).normal(size=(data.draw(st.integers(5, 50)), data.draw(st.integers(5, 50))))
    tile = tuple(4 * data.draw(st.integers(1, 12)) for _ in range(2))
    names = data.draw(st.lists(st.sampled_from(list(symmetries.SYMMETRIES)), min_size=1, unique=True))
    one, other = (inference.predict(network, image, tile=t, tta=names) for t in (tile, (64, 64)))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_average_over_symmetries_equals_the_average_of_turned_images(network):
    """On an image whose mirrored border and pooling grid are themselves symmetric."""
    size = 4 * 6 + (network.valid_shape((1, 1))[0] - 2 * network.context)  # output sizes are congruent to this
    image = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    names = list(symmetries.SYMMETRIES)
    mean = np.mean(
        [symmetries.undo(n, whole(network, np.ascontiguousarray(symmetries.apply(n, image)))) for n in names], axis=0
    )
    np.testing.assert_allclose(inference.predict(network, image, tta=names), mean, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_zero_border_is_the_mean_grey_value_and_tiles_dont_show(network, data):
    shape = data.draw(st.integers(1, 50)), data.draw(st.integers(1, 50))
    tile = tuple(4 * data.draw(st.integers(1, 15)) for _ in range(2))
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    wide = np.pad(image, 2 * network.context)
    mean, network.normalisation = 100, (100.0, 1.0)
    try:
        result = inference.predict(network, image + mean, tile=tile, border="zero")
    finally:
        del network.normalisation
    inner = slice(2 * network.context, -2 * network.context)
    aligned = -2 * network.context % network.stride == 0
    assert aligned
    np.testing.assert_allclose(result, whole(network, wide)[:, inner, inner], atol=2e-5)


def test_stacks_and_normalisation(network):
    stack = np.random.default_rng(0).integers(0, 255, (3, 21, 17), np.uint8)
    network.normalisation = (100.0, 50.0)
    try:
        result = inference.predict(network, stack)
        assert result.shape == (2, 3, 21, 17)
        np.testing.assert_allclose(result[:, 1], whole(network, (stack[1].astype(np.float32) - 100) / 50), atol=1e-5)
    finally:
        del network.normalisation


def test_tiles_that_would_show_are_refused(network):
    with pytest.raises(ValueError, match="multiples of 4"):
        inference.predict(network, np.zeros((64, 64)), tile=(30, 32))
    with pytest.raises(ValueError, match="not empty"):
        inference.predict(network, np.zeros((0, 64)))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 9), st.integers(1, 9))
def test_writes_partition_the_image(height, width, rows, columns):
    network = models.build("unet", width=1, depth=2)
    written = np.zeros((height, width), int)
    for tile in tiles.tiles((height, width), (4 * rows, 4 * columns), network):
        written[tile.write] += 1
        assert tile.read_shape == network.valid_shape(tile.read_shape)
    assert (written == 1).all()


@given(st.integers(1, 3000), st.integers(1, 90), st.integers(1, 16))
def test_images_are_cut_evenly(length, count, stride):
    """Into as few tiles as would do, none larger than it must be."""
    (side,) = tiles.fitting_tile((length,), (count * stride,), stride)
    parts = -(-length // side)
    assert side % stride == 0 and side <= count * stride and parts <= -(-length // (count * stride))
    assert (side - stride) * -(-length // (count * stride)) < length, "a smaller one would not do"


@given(st.tuples(st.integers(1, 100), st.integers(1, 10**6), st.integers(1, 10**6)), st.integers(1, 40))
def test_blocks_cut_volumes_evenly(shape, stride):
    block = blocks.fitting_block(shape, None, stride)
    assert 1 <= block[0] <= min(shape[0], 8) and (block[0] == 1 or np.prod(block) <= np.prod(blocks.USUAL))
    for size, side in zip(shape[1:], block[1:]):
        assert side % stride == 0 and side < 1.5 * 1024 + max(stride, 16) + stride
        parts = -(-size // side)
        assert side * parts - size < parts * (max(stride, 16) + stride), "the last one is nearly as large"


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 12), st.integers(-40, 40), st.integers(1, 60))
def test_mirror_index_is_numpys_reflection(size, start, length):
    reflected = np.pad(np.arange(size), 200, mode="reflect")
    np.testing.assert_array_equal(
        tiles.mirror_index(start, length, size), reflected[200 + start : 200 + start + length]
    )


def test_symmetries_are_eight_and_undone():
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    images = [symmetries.apply(name, array) for name in symmetries.SYMMETRIES]
    assert len({(i.shape, i.tobytes()) for i in images}) == 8
    for name, image in zip(symmetries.SYMMETRIES, images):
        np.testing.assert_array_equal(symmetries.undo(name, image), array)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {"depth": 2}),
        ("unet", {"depth": 4, "norm": "batch"}),
        ("unet", {"depth": 3, "variant": "phseg_v5"}),
        ("unet", {"depth": 2, "skips": "summed"}),
        ("sliding_window", {"window": 65, "hidden": 8}),
        ("hypercolumn", {"depth": 3}),
        ("fcn8s", {"hidden": 8}),
    ],
)
def test_engines_agree(name, options):
    """OpenVINO gives what PyTorch gives, for tiles of any shape, and calls nobody."""
    torch.manual_seed(0)
    network = models.build(name, width=4, **options).eval()
    image = np.random.default_rng(0).normal(size=(75, 120)).astype(np.float32)
    one, other = (
        inference.predict(network, image, tile=(32, 64), tta=["0", "mirror_90"], engine=e) for e in engines.ENGINES
    )
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert sys.modules["openvino_telemetry"] is None


@pytest.fixture
def bfloat16(monkeypatch):
    """A processor with bfloat16; for PyTorch any will do, which then imitates it."""
    monkeypatch.setattr(engines, "usable", lambda precision, device: precision)


def test_bfloat16_is_close_to_float32(bfloat16):
    torch.manual_seed(0)
    network = models.build("unet", width=8, depth=3, norm="batch").eval()
    image = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    for engine in engines.ENGINES:
        exact, rounded = (
            inference.predict(network, image, tile=(96, 96), engine=engine, precision=p) for p in engines.PRECISIONS
        )
        assert exact.std() > 0.05, "otherwise there is nothing to be wrong about"
        assert np.abs(exact - rounded).max() < 0.02
        if engine == "torch":
            assert not np.array_equal(exact, rounded)


def test_the_ends_of_the_network_stay_in_float32(network, bfloat16, monkeypatch):
    dtypes, conv2d = [], torch.nn.functional.conv2d

    def noted(*arguments):
        output = conv2d(*arguments)
        dtypes.append(output.dtype)
        return output

    monkeypatch.setattr(torch.nn.functional, "conv2d", noted)
    inference.predict(network, np.zeros((32, 32)), tile=(32, 32), precision="bfloat16")
    first, *middle, last = dtypes
    assert first == last == torch.float32 and set(middle) == {torch.bfloat16}


@pytest.mark.parametrize("name", ["unet", "fcn8s", "hypercolumn"])
def test_fused_blocks_are_those_of_the_network(name, bfloat16, monkeypatch):
    """As a GPU predicts, by a stand-in for its kernel: to rounding in float32, and as by autocast in bfloat16."""
    dtypes = []

    def kernel(x, weight, bias, **how):
        dtypes.append(x.dtype)
        return torch.relu(torch.nn.functional.conv2d(x, weight, bias))

    monkeypatch.setattr(torch, "cudnn_convolution_relu", kernel)
    torch.manual_seed(0)
    network = models.build(name, width=8, norm="batch").eval()
    for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        for tensor in (norm.running_mean, norm.weight.data, norm.bias.data):
            tensor.normal_(std=0.5)
    image = torch.randn(1, 1, *network.valid_shape((260, 260)))
    as_trained, exact = (engines.Torch(n)(image) for n in (network, gpu.fused(network, torch.float32)))
    torch.testing.assert_close(exact, as_trained, atol=1e-4, rtol=1e-4)
    assert not dtypes, "float32 is not fused"
    as_trained, rounded = (engines.Torch(n, "bfloat16")(image) for n in (network, gpu.fused(network, torch.bfloat16)))
    assert set(dtypes) == {torch.bfloat16} and not torch.equal(as_trained, exact)
    convolutions = sum(len(m.steps) for m in network.modules() if isinstance(m, Block))
    assert len(dtypes) == convolutions - 1, "the first stays in float32"
    assert (rounded - as_trained).abs().max() < 0.05 * as_trained.abs().max()
    dtypes.clear()
    monkeypatch.setattr(gpu, "LARGEST", 1)
    engines.Torch(gpu.fused(network, torch.bfloat16), "bfloat16")(image)
    assert not dtypes, "what is too large for the kernel is not fused"


def test_openvino_keeps_the_ends_in_float32(network):
    logits = engines.OpenVino(network, "bfloat16")
    logits(torch.zeros(1, 1, *network.valid_shape((64, 64))))
    layers = [op.get_rt_info() for op in logits.request.get_compiled_model().get_runtime_model().get_ordered_ops()]
    first, *middle, last = (
        info["runtimePrecision"].astype(str) for info in layers if info["layerType"].astype(str) == "Convolution"
    )
    assert first == last == "f32"
    assert set(middle) == ({"bf16"} if engines.usable("bfloat16", "cpu") == "bfloat16" else {"f32"})


def test_without_bfloat16_there_is_float32(network, monkeypatch, caplog):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert engines.Torch(network, "bfloat16").dtype is None and "no arithmetic in bfloat16" in caplog.text
    compiled = engines.OpenVino(network, "bfloat16").request.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
    assert engines.usable("bfloat16", "cuda") == "bfloat16"


def test_the_fastest_engine_is_chosen_and_impossible_ones_are_refused(network):
    unet, window = (models.build(name, width=2) for name in ("unet", "sliding_window"))
    assert [engines.choose("auto", model, "cpu") for model in (unet, window)] == ["openvino", "torch"]
    assert engines.choose("auto", unet, "cuda") == engines.choose("torch", unet, "cpu") == "torch"
    with pytest.raises(ValueError, match="openvino computes on a CPU"):
        engines.OpenVino(memory.ghost(network))
