"""Volumes in every format, order of axes and place are read as the same [z, y, x]."""

import functools
import http.server
import io
import pickle
import struct
import threading
from itertools import permutations

import h5py
import numcodecs
import numpy as np
import pytest
import tensorstore
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import PHANTOM, assert_reads, expected, ordered
from skimage.io import imread, imsave
from unetflow.datasets.checks import volume_findings
from unetflow.errors import InputError
from unetflow.images.axes import CHOSEN
from unetflow.images.formats import Parts
from unetflow.images.identity import identity
from unetflow.images.sources import Source, open_source
from unetflow.images.stores import ReadNow
from unetflow.normalisation import moments

SIZES = [(7, 12), (9, 5), (6, 8)]


@pytest.fixture(scope="module")
def phantom():
    return PHANTOM


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([p for n in (2, 3, 4, 5) for p in permutations("tczyx", n) if {"y", "x"} <= set(p)]), st.data())
def test_any_order_of_axes(phantom, axes, data):
    axes = "".join(axes)
    channel, time = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 1))
    source = Source("phantom", ordered(phantom, axes), axes, {"t": time, "c": channel})
    assert_reads(source, expected(phantom, axes, channel, time))


def sampled(shape):
    """Which voxels of a volume of this shape `Source.sample` reads."""
    places = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return places, list(Source("places", places, "zyx", {}).sample())


@settings(max_examples=20, deadline=None)
@given(st.tuples(st.integers(1, 9), st.integers(1, 30), st.integers(1, 30)))
def test_of_a_small_volume_every_voxel_is_looked_at_once(shape):
    places, windows = sampled(shape)
    np.testing.assert_array_equal(np.concatenate(windows), places)


@pytest.mark.parametrize("shape", [(20, 1200, 900), (1, 4200, 4100), (5, 1100, 3500), (33, 1024, 1024)])
def test_of_a_large_volume_windows_are_spread_evenly(shape):
    places, windows = sampled(shape)
    seen = np.bincount(np.concatenate([window.ravel() for window in windows]), minlength=places.size)
    assert seen.max() == 1 and seen.sum() < 2**24
    seen = seen.reshape(shape)
    for axis in range(3):
        along = np.flatnonzero(seen.any(axis=tuple({0, 1, 2} - {axis})))
        assert abs(along[0] - (shape[axis] - 1 - along[-1])) <= 1
        assert len(along) in (shape[axis], (8, 1024, 1024)[axis])


def write_ome_zarr(path, array, axes, version, **options):
    """An OME-Zarr image with two levels, z 40, y and x 4 nanometer."""
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    group.create_array("0", data=array, chunks=tuple(min(4, n) for n in array.shape), **options)
    group.create_array("1", data=array[..., ::2, ::2])
    kinds = {"t": "time", "c": "channel"}
    named = [{"name": a, "type": kinds.get(a, "space")} | ({"unit": "nanometer"} if a in "zyx" else {}) for a in axes]
    levels = [
        {
            "path": str(k),
            "coordinateTransformations": [
                {"type": "scale", "scale": [{"z": 40.0, "y": 4.0 * 2**k, "x": 4.0 * 2**k}.get(a, 1.0) for a in axes]}
            ],
        }
        for k in range(2)
    ]
    image = [{"axes": named, "datasets": levels, "version": version}]
    metadata = {"version": version, "multiscales": image}
    group.attrs.update({"ome": metadata} if version == "0.5" else metadata)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["zyx", "yx", "czyx", "tczyx", "xyz", "zcyx"])
def test_ome_zarr(phantom, tmp_path, version, axes):
    path = tmp_path / "image.zarr"
    write_ome_zarr(path, ordered(phantom, axes), axes, version)
    chosen = {key: 1 for axis, key in CHOSEN.items() if axis in axes}
    source = open_source(str(path), **chosen)
    assert_reads(source, expected(phantom, axes, 1, 1))
    assert source.voxel_size == (40.0 if "z" in axes else 1.0, 4.0, 4.0) and source.unit == "nanometer"
    assert open_source(str(path), array="1", **chosen).voxel_size[1:] == (8.0, 8.0)
    assert open_source(str(path), voxel_size=(1, 2, 3), unit="micrometer", **chosen).voxel_size == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("version", [2, 3])
def test_plain_zarr_arrays(phantom, tmp_path, version):
    path = str(tmp_path / "plain.zarr")
    zarr.create_array(path, data=ordered(phantom, "zyx"), chunks=(2, 4, 4), zarr_format=version)
    with pytest.raises(InputError, match=r"does not say what its 3 axes .* axes: zyx"):
        open_source(path)
    source = open_source(path, axes="ZYX")
    assert_reads(source, expected(phantom, "zyx"))
    assert source.voxel_size is None


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<f4", ">f8"])
@pytest.mark.parametrize("version", [2, 3])
def test_tensorstore_reads_zarr_arrays_as_zarr_python_does(tmp_path, version, dtype):
    values = np.random.default_rng(0).integers(0, 9, (5, 11, 7)).astype(dtype)
    array = zarr.create_array(str(tmp_path / "a.zarr"), data=values, chunks=(2, 4, 4), zarr_format=version)
    (tmp_path / "a.zarr" / {2: "1.0.0", 3: "c/1/0/0"}[version]).unlink()  # voxels that nobody wrote
    source = open_source(str(tmp_path / "a.zarr"), axes="zyx")
    assert isinstance(source.array, ReadNow)
    np.testing.assert_array_equal(source.read((0, 0, 0), values.shape), array[:])


def test_zarr_arrays_that_tensorstore_does_not_know_are_read_by_zarr_python(phantom, tmp_path):
    volume = ordered(phantom, "zyx")
    zarr.create_array(str(tmp_path / "a.zarr"), data=volume, zarr_format=2, compressors=numcodecs.LZMA())
    source = open_source(str(tmp_path / "a.zarr"), axes="zyx")
    assert isinstance(source.array, zarr.Array)
    assert_reads(source, volume)


def test_zarr_arrays_that_name_their_axes(phantom, tmp_path):
    path = str(tmp_path / "named.zarr")
    zarr.create_array(path, data=ordered(phantom, "xyz"), dimension_names=["x", "y", "z"])
    assert_reads(open_source(path), expected(phantom, "xyz"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16), "compression": "deflate"},
        {"bigtiff": True},
        {"compression": "lzw", "rowsperstrip": 3},
    ],
    ids=str,
)
def test_tiff_stacks(phantom, tmp_path, options):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, ordered(phantom, "zyx"), photometric="minisblack", **options)
    assert_reads(open_source(str(path)), expected(phantom, "zyx"))


def test_tiff_pages_written_one_by_one_and_slices_in_files(phantom, tmp_path):
    volume = ordered(phantom, "zyx")
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tiff:
        for page in volume:
            tiff.write(page, contiguous=False)
    assert_reads(open_source(str(tmp_path / "pages.tif"), axes="zyx"), expected(phantom, "zyx"))
    assert_reads(open_source(str(tmp_path / "p*.tif"), axes="zyx"), expected(phantom, "zyx"))
    for z, page in enumerate(volume):
        tifffile.imwrite(tmp_path / f"slice{z:03d}.tif", page)
    assert_reads(open_source(str(tmp_path / "slice*.tif")), expected(phantom, "zyx"))


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_files_are_in_the_order_of_their_numbers(phantom, tmp_path, ending):
    """2 before 10, as nobody pads the numbers of what was exported by hand."""
    volume = np.concatenate([ordered(phantom, "zyx")] * 3)[:12]
    for z, page in enumerate(volume):
        imsave(tmp_path / f"slice {z}.{ending}", page, check_contrast=False)
    source = open_source(str(tmp_path / f"*.{ending}"))
    assert_reads(source, volume)
    assert source.files == tuple(f"slice {z}.{ending}" for z in range(12))
    if ending == "png":
        assert_reads(open_source(str(tmp_path / "slice 3.png")), volume[3:4])


@pytest.mark.parametrize("ending", ["bmp", "jpg", "JPEG"])
def test_pictures_of_other_kinds(tmp_path, ending):
    """Of a kind that loses nothing they are what was written, and always what scikit-image reads."""
    colours = np.random.default_rng(0).integers(0, 255, (2, 20, 30, 3), np.uint8)
    for k, image in enumerate(colours):
        imsave(tmp_path / f"grey {k}.{ending}", image[: 20 - k, : 30 - 2 * k, 0], check_contrast=False)
        imsave(tmp_path / f"colour {k}.{ending}", image, check_contrast=False)
    grey = open_source(str(tmp_path / f"grey*.{ending}"))
    assert grey.sizes == ((20, 30), (19, 28)) and grey.files == (f"grey 0.{ending}", f"grey 1.{ending}")
    window = grey.read((1, 3, 4), (2, 19, 28))[0]
    np.testing.assert_array_equal(window, imread(tmp_path / f"grey 1.{ending}")[3:, 4:])
    green = open_source(str(tmp_path / f"colour*.{ending}"), channel=1)
    np.testing.assert_array_equal(
        green.read((0, 0, 0), (1, 20, 30))[0], imread(tmp_path / f"colour 0.{ending}")[..., 1]
    )
    if ending == "bmp":
        np.testing.assert_array_equal(window, colours[1, 3:19, 4:28, 0])


def test_tiff_with_metadata(phantom, tmp_path):
    ome = tmp_path / "image.ome.tif"
    metadata = {"axes": "TCZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(ome, phantom, metadata=metadata, photometric="minisblack")
    source = open_source(str(ome), channel=2, time=1)
    assert_reads(source, expected(phantom, "tczyx", 2, 1))
    assert source.voxel_size == (2.0, 0.5, 0.5) and source.unit == "micrometer"
    imagej = tmp_path / "imagej.tif"
    tifffile.imwrite(
        imagej,
        ordered(phantom, "zcyx"),
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "ZCYX", "spacing": 3.0, "unit": "um"},
    )
    source = open_source(str(imagej), channel=1)
    assert_reads(source, expected(phantom, "zcyx", 1))
    assert source.voxel_size == (3.0, 0.5, 0.25) and source.unit == "micrometer"


def write_lsm(path, volume, voxel):
    """``volume`` [t, z, c, y, x] as Zeiss' LSM: TIFF, each page with a small one behind it, and a table of its own."""
    t, z, c, y, x = volume.shape
    said = struct.pack("<8i6d2HI", x, y, z, c, t, 1, 4, 4, *voxel[::-1], 0, 0, 0, 6, 0, 0)
    said = struct.pack("<2I", 67127628, len(said) + 8) + said
    with tifffile.TiffWriter(path) as file:
        for number, page in enumerate(volume.reshape(-1, c, y, x)):
            table = {} if number else {"extratags": [(34412, "B", len(said), said, True)]}
            usual = {"photometric": "minisblack", "planarconfig": "separate", "metadata": None}
            file.write(page, **usual, **table)
            file.write(np.zeros((c, 4, 4), page.dtype), subfiletype=1, **usual)


def test_lsm(phantom, tmp_path):
    write_lsm(tmp_path / "a.lsm", ordered(phantom, "tzcyx"), (3e-7, 1e-7, 1e-7))
    source = open_source(str(tmp_path / "a.lsm"), channel=1, time=1)
    assert_reads(source, expected(phantom, "tczyx", 1, 1))
    assert source.voxel_size == (0.3, 0.1, 0.1) and source.unit == "micrometer"


def test_slides_are_read_tile_by_tile(tmp_path):
    """Aperio's SVS: TIFF in tiles, a small picture, and coarser levels."""
    slide = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.svs") as file:
        for step, tiles in ((1, {"tile": (64, 64)}), (4, {}), (2, {"tile": (64, 64)})):
            said = "Aperio Image Library v12|AppMag = 20|MPP = 0.499"
            file.write(slide[::step, ::step], photometric="rgb", metadata=None, description=said, **tiles)
    source = open_source(str(tmp_path / "a.svs"), channel=[0, 1, 2])
    assert source.shape == (1, 300, 400) and source.array.chunks == (64, 64, 3)
    np.testing.assert_array_equal(source.read((0, 10, 20), (1, 90, 70))[0], np.moveaxis(slide[10:90, 20:70], -1, 0))
    assert source.voxel_size == (1, 0.499, 0.499) and source.unit == "micrometer"


def test_channels_and_pages_of_a_pattern(phantom, tmp_path):
    """Files whose axes are channels, and files written page by page, as `open_source` takes one of them alone."""
    for z, image in enumerate(ordered(phantom, "zcyx")):
        tifffile.imwrite(tmp_path / f"c{z}.ome.tif", image, metadata={"axes": "CYX"}, photometric="minisblack")
        tifffile.imwrite(tmp_path / f"rgb{z}.tif", image.transpose(1, 2, 0), photometric="rgb")
        (tmp_path / f"pages{z}.tif").write_bytes(pages_of(image))
    for kind in ("c*.ome", "rgb*"):
        assert_reads(open_source(str(tmp_path / f"{kind}.tif"), channel=2), expected(phantom, "zcyx", 2))
        several = open_source(str(tmp_path / f"{kind}.tif"), channel=[2, 0])
        np.testing.assert_array_equal(
            several.read((1, 2, 3), (4, 9, 7)), phantom[0, [2, 0], 1:4, 2:9, 3:7].swapaxes(0, 1)
        )
        with pytest.raises(
            InputError, match=r"3 along c; add channel \(0 to 2, or a list of those that the network sees\)"
        ):
            open_source(str(tmp_path / f"{kind}.tif"))
    assert_reads(open_source(str(tmp_path / "pages*.tif"), axes="tzyx", time=4), phantom[0, :, 4])
    with pytest.raises(InputError, match="say what its 4 axes"):
        open_source(str(tmp_path / "pages*.tif"))


@pytest.mark.parametrize("kind", ["stores", "files", "patterns"])
def test_channels_that_are_files_of_their_own(phantom, tmp_path, kind):
    paths = []
    for c, volume in enumerate(phantom[0]):
        if kind == "stores":
            zarr.create_array(str(tmp_path / f"c{c}.zarr"), data=volume, chunks=(2, 4, 4))
            paths.append(str(tmp_path / f"c{c}.zarr"))
        elif kind == "files":
            tifffile.imwrite(tmp_path / f"c{c}.tif", volume, photometric="minisblack")
            paths.append(str(tmp_path / f"c{c}.tif"))
        else:
            for z, image in enumerate(volume):
                tifffile.imwrite(tmp_path / f"{z}_w{c}.tif", image)
            paths.append(str(tmp_path / f"*_w{c}.tif"))
    axes = "zyx" if kind == "stores" else None
    for several in (open_source(paths, axes=axes), pickle.loads(pickle.dumps(open_source(paths, axes=axes)))):
        assert several.shape == (5, 11, 7) and several.channels == 3 and len(several.files) == 5 * (kind == "patterns")
        np.testing.assert_array_equal(several.read((1, 2, 3), (4, 9, 7)), phantom[0, :, 1:4, 2:9, 3:7].swapaxes(0, 1))
    assert_reads(open_source(paths, axes=axes, channel=1), phantom[0, 1])
    assert identity(paths) == [identity(path) for path in paths]


def test_voxels_of_another_size_than_the_file_says_are_told(phantom, tmp_path):
    for z, image in enumerate(phantom[0, 0]):
        metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
        tifffile.imwrite(tmp_path / f"{z}.ome.tif", image, metadata=metadata)
    path = str(tmp_path / "*.tif")
    assert open_source(path).voxel_size == (1.0, 0.5, 0.5) and open_source(path).unit == "micrometer"
    for size, unit, wrong in (
        ((40, 500, 501), "nanometer", False),
        ((1, 0.65, 0.65), "micrometer", True),
        ((1, 1, 1), None, True),
    ):
        rows = volume_findings(open_source(path, voxel_size=size, unit=unit))
        assert any("the file says voxels of [1.0, 0.5, 0.5] micrometer;" in text for _, text in rows) == wrong


def pages_of(stack):
    """Bytes of a TIFF file written page by page."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in stack:
            writer.write(page)
    return file.getvalue()


def test_slices_that_a_file_calls_channels(phantom, tmp_path):
    tifffile.imwrite(tmp_path / "v.tif", phantom[0, 0], imagej=True)
    with pytest.raises(InputError, match=r"5 along c; .* or, if they are slices, axes: zyx"):
        open_source(str(tmp_path / "v.tif"))
    assert_reads(open_source(str(tmp_path / "v.tif"), axes="zyx"), phantom[0, 0])


def test_hdf5(phantom, tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("volumes/raw", data=ordered(phantom, "zyx"), chunks=(2, 4, 4), compression="gzip")
    assert_reads(open_source(str(path), axes="zyx"), expected(phantom, "zyx"))
    with h5py.File(path, "a") as file:
        file["volumes/other"] = ordered(phantom, "zyx")
        for dimension, name in zip(file["volumes/raw"].dims, "zyx"):
            dimension.label = name
    with pytest.raises(InputError, match=r"2 arrays; name one .* volumes/other, volumes/raw"):
        open_source(str(path))
    assert_reads(open_source(str(path), array="/volumes/raw"), expected(phantom, "zyx"))


def write_n5(path, volume, **metadata):
    """``volume`` [x, y, z] as an N5 array, by TensorStore."""
    metadata |= {"dimensions": volume.shape, "blockSize": [4, 4, 2], "dataType": volume.dtype.name}
    metadata["compression"] = {"type": "gzip"}
    spec = {"driver": "n5", "kvstore": path.as_uri() + "/", "metadata": metadata}
    tensorstore.open(spec, create=True, delete_existing=True).result().write(volume).result()


def test_n5(phantom, tmp_path, web):
    volume = ordered(phantom, "xyz")
    units = {"axes": ["x", "y", "z"], "units": ["nm"] * 3, "resolution": [4, 5, 40]}
    write_n5(tmp_path / "file.n5/volumes/raw", volume, **units)
    write_n5(tmp_path / "bare.n5", volume)
    for place in (str(tmp_path), web):
        source = open_source(f"{place}/file.n5", array="volumes/raw")
        assert_reads(source, expected(phantom, "xyz"))
        assert source.voxel_size == (40.0, 5.0, 4.0) and source.unit == "nanometer"
    bare = open_source(str(tmp_path / "bare.n5"))
    assert_reads(bare, expected(phantom, "xyz"))
    assert bare.voxel_size is None
    assert open_source(str(tmp_path / "bare.n5"), axes="zyx").shape == volume.shape
    with pytest.raises(InputError, match="can't be read as an N5 array; correct `path`, and name the array"):
        open_source(str(tmp_path / "file.n5"))
    before = [identity(tmp_path / "file.n5", name) for name in (None, "volumes/raw")]
    write_n5(tmp_path / "file.n5/volumes/raw", volume[:-1], **units)
    after = [identity(tmp_path / "file.n5", name) for name in (None, "volumes/raw")]
    assert before[0] == after[0] and before[1] != after[1], "the array's own metadata tell"


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, also parts of them, as web servers and object stores do."""

    def send_head(self):
        wanted = self.headers.get("Range")
        if not wanted:
            return super().send_head()
        try:
            file = open(self.translate_path(self.path), "rb")
        except OSError:
            return self.send_error(404)
        size = len(file.read())
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = (int(first), int(last or size - 1)) if first else (size - int(last), size - 1)
        end = min(end, size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        file.seek(start)
        self.wfile.write(file.read(end - start + 1))

    def log_message(self, *_):
        pass


def test_parts_of_different_types_are_read_as_one():
    parts = Parts([2], (3,), np.uint16, lambda place, index: np.full(3, 7, [np.uint8, np.uint16][place[0]])[index])
    assert parts[0, 1:].dtype == parts[:, 1:].dtype == np.uint16 and parts[:, 1:].shape == (2, 2)


@pytest.mark.parametrize("encoding", ["raw", "compressed_segmentation"])
def test_precomputed(phantom, tmp_path, web, encoding):
    volume = ordered(phantom, "xyzc")[..., :1].astype(np.uint32)
    store = {"driver": "neuroglancer_precomputed", "kvstore": (tmp_path / "a").as_uri() + "/"}
    for level, key in enumerate(("8_8_40", "16_16_40")):
        levels = {"key": key, "resolution": [8 << level, 8 << level, 40], "chunk_size": [4, 4, 4]}
        levels |= {"size": [-(-7 >> level), -(-11 >> level), 5], "voxel_offset": [100, 50, -3], "encoding": encoding}
        kind = "segmentation" if encoding == "compressed_segmentation" else "image"
        levels |= {"compressed_segmentation_block_size": [8, 8, 8]} if kind == "segmentation" else {}
        shared = {"data_type": "uint32", "num_channels": 1, "type": kind}
        spec = store | {"multiscale_metadata": shared, "scale_metadata": levels, "create": True, "open": True}
        array = tensorstore.open(spec).result()
        array.write(volume[: array.shape[0], : array.shape[1]]).result()
    for path in (str(tmp_path / "a"), f"precomputed://{tmp_path}/a", f"precomputed://{web}/a"):
        source = open_source(path)
        assert_reads(source, expected(phantom, "zyx").astype(np.uint32))
        assert source.voxel_size == (40, 8, 8) and source.unit == "nanometer"
        coarse = open_source(path, array="16_16_40")
        assert coarse.shape == (5, 6, 4) and coarse.voxel_size == (40, 16, 16)
    with pytest.raises(InputError, match="`array` if it names a scale"):
        open_source(path, array="1_1_1")
    assert "8_8_40" in str(identity(str(tmp_path / "a")))


@pytest.fixture
def web(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(RangeHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_over_http(phantom, tmp_path, web):
    volume = ordered(phantom, "zyx")
    for version in ("0.4", "0.5"):
        options = {"shards": (8, 8, 8)} if version == "0.5" else {}
        write_ome_zarr(tmp_path / f"{version}.zarr", volume, "zyx", version, **options)
        assert_reads(open_source(f"{web}/{version}.zarr"), expected(phantom, "zyx"))
    tifffile.imwrite(tmp_path / "stack.tif", volume, photometric="minisblack", compression="zlib")
    assert_reads(open_source(f"{web}/stack.tif"), expected(phantom, "zyx"))
    (tmp_path / "pages.tif").write_bytes(pages_of(volume))
    assert_reads(open_source(f"{web}/pages.tif"), expected(phantom, "zyx"))
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file["raw"] = volume
    assert_reads(open_source(f"{web}/file.h5", axes="zyx"), expected(phantom, "zyx"))
    with pytest.raises(InputError, match=r"can't be opened|can be opened"):
        open_source(f"{web}/missing.zarr")
    with pytest.raises(InputError, match="can't be opened"):
        open_source(f"{web}/missing.tif")


def test_from_an_object_store(phantom, tmp_path, monkeypatch):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for key, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(key, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        files = s3fs.S3FileSystem()
        files.mkdir("bucket")
        volume = ordered(phantom, "czyx")
        write_ome_zarr(tmp_path / "image.zarr", volume, "czyx", "0.5")
        files.put(str(tmp_path / "image.zarr"), "bucket/image.zarr", recursive=True)
        assert_reads(open_source("s3://bucket/image.zarr", channel=2), expected(phantom, "czyx", 2))
        tifffile.imwrite(tmp_path / "stack.tif", ordered(phantom, "zyx"), photometric="minisblack")
        files.put(str(tmp_path / "stack.tif"), "bucket/stack.tif")
        assert_reads(open_source("s3://bucket/stack.tif"), expected(phantom, "zyx"))
    finally:
        server.stop()


def test_images_of_different_sizes_lie_upper_left_on_one_canvas(tmp_path):
    images = [np.random.default_rng(k).integers(1, 255, size).astype(np.uint8) for k, size in enumerate(SIZES)]
    for ending in ("tif", "png"):
        for k, image in enumerate(images):
            imsave(tmp_path / f"{k}.{ending}", image, check_contrast=False)
        source = open_source(str(tmp_path / f"*.{ending}"))
        assert source.shape == (3, 9, 12) and [source.size(z) for z in range(3)] == SIZES
        assert_reads(source, np.stack([np.pad(i, [(0, n - m) for n, m in zip((9, 12), i.shape)]) for i in images]))
        everything = np.concatenate([image.ravel() for image in images])
        np.testing.assert_allclose(moments(source.sample()), (everything.mean(), everything.std()))
        for z, image in enumerate(images):
            np.testing.assert_allclose(source.moments_of_slice(z), (image.mean(), image.std()))


def test_of_tiff_files_in_a_pattern_only_what_is_needed_is_decoded(tmp_path):
    """The first strip and tile are broken, which nobody notices who doesn't ask for them."""
    image = np.random.default_rng(0).integers(0, 255, (2, 96, 64)).astype(np.uint8)
    for z, layout in enumerate(({"rowsperstrip": 8}, {"tile": (16, 16)})):
        path = tmp_path / f"{z}.tif"
        tifffile.imwrite(path, image[z], compression="zlib", photometric="minisblack", **layout)
        with tifffile.TiffFile(path) as tiff, open(path, "r+b") as file:
            file.seek(tiff.pages[0].dataoffsets[0])
            file.write(bytes(tiff.pages[0].databytecounts[0]))
    source = open_source(str(tmp_path / "*.tif"))
    assert source.array.chunks == (1, 16, 64)
    np.testing.assert_array_equal(source.read((0, 30, 20), (2, 33, 30)), image[:, 30:33, 20:30])
    for z in range(2):
        with pytest.raises(InputError, match="can't be read from"):
            source.read((z, 7, 0), (z + 1, 9, 2))


def test_files_of_more_axes_and_of_names_in_folders(tmp_path):
    colours = np.random.default_rng(0).integers(0, 255, (2, 6, 7, 3)).astype(np.uint8)
    for k, image in enumerate(colours):
        (tmp_path / f"day {k}").mkdir()
        imsave(tmp_path / f"day {k}" / "cells.png", image, check_contrast=False)
    source = open_source(str(tmp_path / "*/cells.png"), channel=1)
    assert_reads(source, colours[..., 1])
    assert source.files == ("day 0/cells.png", "day 1/cells.png") and source.size(1) == (6, 7)
    source = open_source(str(tmp_path / "*/cells.png"), axes="tyxc", time=1, channel=0)
    assert_reads(source, colours[1:, ..., 0])
    imsave(tmp_path / "day 1" / "cells.png", colours[1, :5], check_contrast=False)
    with pytest.raises(InputError, match="different sizes along t"):
        open_source(str(tmp_path / "*/cells.png"), axes="tyxc", time=1, channel=0)
