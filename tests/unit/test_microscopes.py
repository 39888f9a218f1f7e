"""Files of microscopes are read as the same [z, y, x] as any other volume.

CZI and MRC are written by libraries; ND2, LIF and Imaris files by what is known of their layout.
"""

import struct
from itertools import product
from xml.sax.saxutils import quoteattr

import h5py
import mrcfile
import numpy as np
import pytest
from phantoms import PHANTOM, SHAPE, assert_reads, expected, ordered
from pylibCZIrw.czi import create_czi
from unetflow.datasets.readers import read_folder
from unetflow.errors import InputError
from unetflow.images.hdf5 import open_imaris
from unetflow.images.pixels import read_channels
from unetflow.images.sources import open_source

VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}  # micrometres


def write_czi(path, scenes=1, axes="tcz"):
    """The phantom as CZI; in further scenes, to the right, each voxel is one larger."""
    with create_czi(str(path)) as file:
        for scene, place in product(range(scenes), np.ndindex(*(SHAPE[a] for a in axes))):
            plane = ordered(PHANTOM, axes + "yx")[place] + np.uint16(scene)
            where = {"scene": scene} if scenes > 1 else {}
            numbers = {axis.upper(): k for axis, k in zip(axes, place)}
            file.write(plane[..., None], plane=numbers, location=(20 + 50 * scene, 10), **where)
        file.write_metadata("phantom", **{f"scale_{axis}": size / 1e6 for axis, size in VOXEL.items()})


def write_imaris(path, axes="tcz"):
    """Imaris 5.5: padded to chunks of 4 x 8 x 8; the array of another level would be half as large."""
    volume = np.zeros((2, 3, 8, 16, 8), np.uint16)
    volume[:, :, :5, :11, :7] = PHANTOM
    with h5py.File(path, "w") as file:
        for t, c in np.ndindex(volume.shape[:2]):
            for level in range(2):
                group = f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}"
                file.create_dataset(f"{group}/Data", data=volume[t, c][:: level + 1], chunks=(4, 8, 8))
        said = file.create_group("DataSetInfo/Image").attrs
        values = {axis.upper(): SHAPE[axis] for axis in "zyx"} | {f"ExtMin{k}": -1 for k in range(3)} | {"Unit": "um"}
        values |= {f"ExtMax{k}": SHAPE[axis] * VOXEL[axis] - 1 for k, axis in enumerate("xyz")}
        for key, value in values.items():
            said[key] = np.frombuffer(str(value).encode(), "S1")


def element(name, value):
    """A value, or a dict of them, as Nikon writes them in XML."""
    kinds = {int: "lx_uint32", float: "double", str: "CLxStringW", bool: "bool"}
    if isinstance(value, dict):
        inner = "".join(element(key, one) for key, one in value.items())
        return f'<{name} runtype="CLxListVariant">{inner}</{name}>'
    return f'<{name} runtype="{kinds[type(value)]}" value={quoteattr(str(value))}/>'


def nd2_chunk(name, data):
    """A piece of an ND2 file; pixels, after eight bytes, begin 4096 bytes after it does."""
    name = name.ljust(4072, b"\0")
    return struct.pack("<IIQ", 0x0ABECEDA, len(name), len(data)) + name + data


def write_nd2(path, axes="tcz", calibrated=True):
    """ND2 of version 2; of several positions ("p") each voxel is one larger than in that before."""
    sizes = SHAPE | {"p": 2}
    loops = {"t": 1, "p": 2, "z": 4}
    experiment = {}
    for axis in reversed([a for a in axes if a in loops]):
        said = {"uiCount": sizes[axis], "dStart": 0.0, "dPeriod": 1.0, "dDuration": 2.0, "dZStep": VOXEL["z"]}
        said["Points"] = {f"point{k}": {"dPosX": float(k), "dPosName": f"well {k}"} for k in range(sizes["p"])}
        below = {"ppNextLevelEx": {"inner": experiment}} if experiment else {}
        experiment = {"eType": loops[axis], "uLoopPars": said} | below
    channels = SHAPE["c"] if "c" in axes else 1
    probe = {"m_ExcitationSpectrum": {"uiCount": 0}, "m_EmissionSpectrum": {"uiCount": 0}}
    plane = {"uiCompCount": 1, "sDescription": "grey", "pFluorescentProbe": probe}
    planes = {"uiCount": channels, "sPlaneNew": {f"a{k}": plane for k in range(channels)}}
    outer = [axis for axis in axes if axis != "c"]
    counts = [sizes[axis] for axis in outer]
    words = {"uiWidth": SHAPE["x"], "uiHeight": SHAPE["y"], "uiWidthBytes": SHAPE["x"] * channels * 2}
    words |= {"uiComp": channels, "uiBpcInMemory": 16, "uiBpcSignificant": 16, "uiSequenceCount": int(np.prod(counts))}
    metadata = {"bCalibrated": calibrated, "dCalibration": VOXEL["x"], "sPicturePlanes": planes}
    xml = {b"ImageAttributes!": words, b"ImageMetadataSeq|0!": metadata, b"ImageMetadata!": experiment}
    chunks = {key: f"<variant>{element('no_name', value)}</variant>".encode() for key, value in xml.items() if value}
    for number, place in enumerate(np.ndindex(*counts)):
        at = dict(zip(outer, place))
        frame = ordered(PHANTOM, "tczyx")[at.get("t", 0), :channels, at.get("z", 0)] + np.uint16(at.get("p", 0))
        pixels = np.ascontiguousarray(np.moveaxis(frame, 0, -1)).tobytes()
        chunks[f"ImageDataSeq|{number}!".encode()] = bytes(8) + pixels
    with open(path, "wb") as file:
        file.write(struct.pack("<IIQ32s64s", 0x0ABECEDA, 32, 64, b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1"))
        table = b""
        for name, data in chunks.items():
            table += name + struct.pack("<QQ", file.tell(), len(data))
            file.write(nd2_chunk(name, data))
        end = file.tell()
        last = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", end)
        file.write(nd2_chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", table + last) + last)


def write_lif(path, images=("phantom",), axes="tcz"):
    """LIF of version 2; in further images each voxel is one larger than in that before."""
    described, blocks = [], []
    for number, name in enumerate(images):
        volume = ordered(PHANTOM, axes + "yx") + np.uint16(number)
        steps = dict(zip(axes + "yx", volume.strides))
        dimensions = "".join(
            f'<DimensionDescription DimID="{identity}" NumberOfElements="{SHAPE[axis]}" Origin="0" Unit="m" '
            f'Length="{(SHAPE[axis] - 1) * VOXEL.get(axis, 0) / 1e6}" BytesInc="{steps[axis]}" BitInc="0"/>'
            for identity, axis in enumerate("xyzt", 1)
            if axis in steps
        )
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" BytesInc="{k * steps.get("c", 0)}" '
            'BitInc="0" NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="Gray" IsLUTInverted="0"/>'
            for k in range(SHAPE["c"] if "c" in axes else 1)
        )
        described.append(
            f'<Element Name="{name}"><Data><Image><ImageDescription><Channels>{channels}</Channels><Dimensions>'
            f"{dimensions}</Dimensions></ImageDescription></Image></Data>"
            f'<Memory Size="{volume.nbytes}" MemoryBlockID="block{number}"/></Element>'
        )
        blocks.append((f"block{number}", volume.tobytes()))
    children = f"<Children>{''.join(described)}</Children>"
    header = f'<LMSDataContainerHeader Version="2"><Element Name="all">{children}</Element></LMSDataContainerHeader>'
    with open(path, "wb") as file:
        file.write(struct.pack("<II", 0x70, 5 + 2 * len(header)) + letters(header))
        for name, data in blocks:
            head = struct.pack("<BQ", 0x2A, len(data)) + letters(name)
            file.write(struct.pack("<II", 0x70, len(head)) + head + data)


def letters(text):
    return struct.pack("<BI", 0x2A, len(text)) + text.encode("utf-16-le")


WRITERS = {"czi": write_czi, "ims": write_imaris, "nd2": write_nd2, "lif": write_lif}


@pytest.mark.parametrize("kind", WRITERS)
def test_time_points_channels_and_slices(tmp_path, kind):
    path = str(tmp_path / f"a.{kind}")
    WRITERS[kind](path)
    for channel, time in np.ndindex(SHAPE["c"], SHAPE["t"]):
        assert_reads(open_source(path, channel=channel, time=time), expected(PHANTOM, "tczyx", channel, time))
    source = open_source(path, channel=[0, 2], time=1)
    np.testing.assert_array_equal(source.read((1, 2, 3), (4, 9, 6)), PHANTOM[1, [0, 2], 1:4, 2:9, 3:6].swapaxes(0, 1))
    np.testing.assert_allclose(source.voxel_size, list(VOXEL.values()), rtol=1e-6)
    assert source.unit == "micrometer"


@pytest.mark.parametrize("kind", ["czi", "nd2", "lif"])
def test_axes_that_a_file_lacks(tmp_path, kind):
    for axes in ("z", "c", ""):
        path = str(tmp_path / f"axes{axes}.{kind}")
        WRITERS[kind](path, axes=axes)
        assert_reads(open_source(path, **{"channel": 1} if axes == "c" else {}), expected(PHANTOM, axes + "yx", 1))


NAMES = {"czi": ["0", "1"], "nd2": ["0", "1"], "lif": ["one", "two"]}


def write_two(kind, path, axes):
    """A file of two images, the NAMES of its kind."""
    if kind == "nd2":
        write_nd2(path, axes=axes.replace("c", "pc"))
    elif kind == "czi":
        write_czi(path, axes=axes, scenes=2)
    else:
        write_lif(path, NAMES[kind], axes)


@pytest.mark.parametrize("kind", NAMES)
def test_of_several_images_one_is_named(tmp_path, kind):
    path, names = str(tmp_path / f"a.{kind}"), NAMES[kind]
    write_two(kind, path, "tcz")
    with pytest.raises(InputError, match=rf"holds 2 \w+; name one .*{names[0]}, .*{names[1]}"):
        open_source(path)
    with pytest.raises(InputError, match=r"has no '7'"):
        open_source(path, array="7")
    for number, name in enumerate(names):
        source = open_source(path, array=name, channel=2, time=1)
        assert_reads(source, expected(PHANTOM, "tczyx", 2, 1) + np.uint16(number))


def test_of_imaris_files_nothing_is_read_beyond_the_image(tmp_path):
    write_imaris(tmp_path / "a.ims")
    np.testing.assert_array_equal(open_imaris(str(tmp_path / "a.ims"), None).array[(slice(None),) * 5], PHANTOM)


def test_a_czi_whose_slices_begin_later_is_refused_at_once(tmp_path):
    with create_czi(str(tmp_path / "a.czi")) as file:
        for z in (3, 4):
            file.write(PHANTOM[0, 0, 0][..., None], plane={"Z": z})
    with pytest.raises(InputError, match=r"can't be read as CZI \(.*'Z' is out-of-range.*export it as OME-TIFF"):
        open_source(str(tmp_path / "a.czi"))


def test_of_a_large_czi_parts_are_decoded(tmp_path):
    with create_czi(str(tmp_path / "a.czi")) as file:
        file.write(np.zeros((3000, 2100, 1), np.uint8))
    assert open_source(str(tmp_path / "a.czi")).array.chunks[-2:] == (2048, 2048)


def test_colours_of_a_czi(tmp_path):
    colours = np.random.default_rng(0).integers(0, 255, (11, 7, 3), dtype=np.uint8)
    with create_czi(str(tmp_path / "a.czi")) as file:
        file.write(np.ascontiguousarray(colours[..., ::-1]), plane={"C": 0})  # blue first
    source = open_source(str(tmp_path / "a.czi"), channel=[0, 1, 2])
    np.testing.assert_array_equal(source.read((0, 1, 2), (1, 9, 6))[0], np.moveaxis(colours[1:9, 2:6], -1, 0))


def test_a_microscope_that_was_not_calibrated(tmp_path):
    for said, known in (({"scale_x": 1e-7, "scale_y": 1e-7}, (1, 0.1, 0.1)), ({}, None)):
        with create_czi(str(tmp_path / "a.czi"), exist_ok=True) as file:
            file.write(PHANTOM[0, 0, 0][..., None])
            file.write_metadata("phantom", **said)
        assert open_source(str(tmp_path / "a.czi")).voxel_size == known
    write_nd2(tmp_path / "a.nd2", calibrated=False)
    assert open_source(str(tmp_path / "a.nd2"), channel=0, time=0).voxel_size is None


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f4"])
@pytest.mark.parametrize("axes", ["zyx", "yx"])
def test_mrc(tmp_path, axes, dtype):
    volume = ordered(PHANTOM, axes).astype(dtype)
    with mrcfile.new(tmp_path / "a.mrc", volume) as file:
        file.voxel_size = (1.5, 1.5, 3)  # x, y, z
    source = open_source(str(tmp_path / "a.mrc"))
    assert_reads(source, volume.reshape(-1, *volume.shape[-2:]))
    assert source.voxel_size == (3, 1.5, 1.5) and source.unit == "angstrom"


def test_bytes_of_imod_have_no_sign_unless_it_says_so(tmp_path):
    volume = ordered(PHANTOM, "zyx").astype(np.uint8)
    path = tmp_path / "a.rec"
    mrcfile.write(path, volume.view(np.int8))
    for flags, dtype in ((0, np.uint8), (1, np.int8)):
        with open(path, "r+b") as file:
            file.seek(152)
            file.write(struct.pack("<2i", 1146047817, flags))
        source = open_source(str(path))
        assert_reads(source, volume.view(dtype))
    assert source.voxel_size is None


@pytest.mark.parametrize("kind", ["czi", "nd2", "lif", "ims", "mrc"])
def test_files_that_are_damaged_or_far_away(tmp_path, kind):
    (tmp_path / f"a.{kind}").write_bytes(b"nothing of the kind" * 99)
    with pytest.raises(InputError, match=rf"a\.{kind} can't be read as .*again"):
        open_source(str(tmp_path / f"a.{kind}"))
    with pytest.raises(InputError, match="does not exist"):
        open_source(str(tmp_path / f"b.{kind}"))


@pytest.mark.parametrize("kind", ["czi", "nd2", "lif"])
def test_a_pattern_of_them_has_a_slice_in_each(tmp_path, kind):
    for number in (2, 10, 1):
        WRITERS[kind](tmp_path / f"a{number}.{kind}", axes="c")
    source = open_source(str(tmp_path / f"a*.{kind}"), channel=1)
    assert [file.rsplit(".")[0] for file in source.files] == ["a1", "a2", "a10"]
    assert_reads(source, np.repeat(PHANTOM[0, 1, :1], 3, axis=0))
    np.testing.assert_allclose(source.voxel_size[1:], [0.1, 0.1])
    assert open_source(str(tmp_path / f"a10*.{kind}"), channel=1).shape == (1, 11, 7)


def test_an_mrc_of_four_axes_says_so(tmp_path):
    mrcfile.write(tmp_path / "a.mrc", np.zeros((2, 3, 4, 5), np.int16))
    with pytest.raises(InputError, match=r"does not say what its 4 axes \(2, 3, 4, 5\) are"):
        open_source(str(tmp_path / "a.mrc"))
    with pytest.raises(InputError, match=r"\(2, 3, 4, 5\); expected one image"):
        read_channels(tmp_path / "a.mrc")


def test_a_folder_of_them_is_a_data_set(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    write_lif(tmp_path / "images/a.lif", axes="cz")
    mrcfile.write(tmp_path / "labels/a.mrc", ordered(PHANTOM, "zyx"))
    slices = read_folder(tmp_path, channel=1)
    assert [one.name for one in slices] == [f"a/{z:03d}" for z in range(5)]
    np.testing.assert_array_equal([one.image for one in slices], PHANTOM[0, 1])
    np.testing.assert_array_equal([one.labels for one in slices], PHANTOM[0, 0])


@pytest.mark.parametrize("kind", NAMES)
def test_a_folder_has_the_images_of_a_file_that_have_labels(tmp_path, kind):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    write_two(kind, tmp_path / f"images/day.{kind}", "cz")
    WRITERS[kind](tmp_path / f"images/other.{kind}", axes="cz")
    mrcfile.write(tmp_path / "labels/other.mrc", ordered(PHANTOM, "zyx"))
    one, two = (f"day_{name}" for name in NAMES[kind])
    with pytest.raises(InputError, match=rf"day\.{kind} holds 2 images and none has labels; .* {one}, {two}$"):
        read_folder(tmp_path, channel=1)
    mrcfile.write(tmp_path / f"labels/{two}.mrc", ordered(PHANTOM, "zyx"))
    slices = read_folder(tmp_path, channel=1)
    assert [one.name for one in slices] == [f"{stem}/{z:03d}" for stem in (two, "other") for z in range(5)]
    assert [one.group for one in slices] == [two] * 5 + ["other"] * 5
    np.testing.assert_array_equal([one.image for one in slices[:5]], PHANTOM[0, 1] + 1)  # the second image
    np.testing.assert_allclose(slices[0].voxel_size, list(VOXEL.values()), rtol=1e-6)


def test_files_of_several_images_may_be_channels(tmp_path):
    for name in ("red", "green", "labels"):
        (tmp_path / name).mkdir()
    write_lif(tmp_path / "red/day.lif", ["mouse/1", "mouse/2"], axes="z")
    write_lif(tmp_path / "green/day.lif", ["mouse/2", "mouse/1"], axes="z")
    mrcfile.write(tmp_path / "labels/day_mouse_2.mrc", ordered(PHANTOM, "zyx"))
    slices = read_folder(tmp_path, images=["red", "green"])
    assert [one.name for one in slices] == [f"day_mouse_2/{z:03d}" for z in range(5)]
    volume = ordered(PHANTOM, "zyx")
    for z, one in enumerate(slices):
        np.testing.assert_array_equal(one.image, [volume[z] + 1, volume[z]])
