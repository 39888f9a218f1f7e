"""Looking at results: neuroglancer on this machine, fed block by block with whatever lies on disk or behind a URL.

Every layer is offered to the browser as an OME-Zarr 0.4 that exists only in answers: a block is read, converted to what
a browser can show, and sent when it comes into view. So volumes of any size, type and format are looked at where they
lie, and nothing leaves this machine.
"""

import asyncio
import json
import logging
import threading
from dataclasses import dataclass
from html import escape

import neuroglancer
import numpy as np
import tornado.netutil
import tornado.web
import zarr

from ..images.sources import open_source

CHUNK = 256  # pixels per side of what is sent at a time, of one slice
UNITS = {
    "angstrom": (0.1, "nm"),
    "nanometer": (1, "nm"),
    "micrometer": (1, "um"),
    "millimeter": (1, "mm"),
    None: (1, ""),
}
CONVERSIONS = {  # of an array [z, y, x], by what a layer shows
    "image": lambda a: a if a.dtype.kind == "u" and a.dtype.itemsize < 8 else a.astype(np.float32),
    "probability": lambda a: a if a.dtype == np.uint8 else np.rint(a.astype(np.float32) * 255).astype(np.uint8),
    "objects": lambda a: np.maximum(a, 0).astype(np.uint32),
}
SHOWN = ("image", "objects")  # at first; the other layers are a click away
PROBABILITY = """#uicontrol float opacity slider(min=0, max=1, default=0.5)
void main() { float p = toNormalized(getDataValue()); emitRGBA(vec4(1.0, 0.75, 0.0, p * opacity)); }
"""


@dataclass
class Layer:
    """What one layer shows: ``kind`` is a key of CONVERSIONS, ``levels`` sources of falling resolution."""

    name: str
    kind: str
    levels: list

    def chunk(self, level, place):
        """Bytes of the block at ``place`` (z, y, x in blocks) of a level, filled up with zeros at the border."""
        source, size = self.levels[level], (1, CHUNK, CHUNK)
        start = [a * n for a, n in zip(place, size)]
        stop = [min(a + n, length) for a, n, length in zip(start, size, source.shape)]
        block = CONVERSIONS[self.kind](source.read(start, stop))
        full = np.zeros(size, block.dtype)
        full[tuple(map(slice, block.shape))] = block
        return full.tobytes()

    def dtype(self, level):
        return CONVERSIONS[self.kind](np.zeros((1, 1, 1), self.levels[level].dtype)).dtype

    def attributes(self):
        """Metadata of an OME-Zarr 0.4 image."""
        spacing = [one.voxel_size or (1.0, 1.0, 1.0) for one in self.levels]
        datasets = [
            {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}
            for k, scale in enumerate(spacing)
        ]
        unit = {"unit": self.levels[0].unit} if self.levels[0].unit else {}
        axes = [{"name": axis, "type": "space"} | unit for axis in "zyx"]
        return {"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}]}

    def array(self, level):
        """Metadata of a Zarr v2 array."""
        return {
            "zarr_format": 2,
            "shape": list(self.levels[level].shape),
            "chunks": [1, CHUNK, CHUNK],
            "dtype": self.dtype(level).newbyteorder("<").str,
            "compressor": None,
            "filters": None,
            "fill_value": 0,
            "order": "C",
            "dimension_separator": "/",
        }


class Picked:
    """Slices of a source, by number: the test slices of a data set."""

    def __init__(self, source, numbers):
        self.source, self.numbers = source, numbers
        self.voxel_size, self.unit, self.dtype = source.voxel_size, source.unit, source.dtype
        self.shape = (len(numbers), *source.shape[1:])

    def read(self, start, stop):
        numbers = self.numbers[start[0] : stop[0]]
        return np.concatenate([self.source.read((n, *start[1:]), (n + 1, *stop[1:])) for n in numbers])


def levels(path, **options):
    """Sources of an image and, if it is an OME-Zarr with coarser levels, of those; ``options`` as for `open_source`."""
    first = open_source(path, **options)
    try:
        multiscale = zarr.open_group(path, mode="r").attrs.get("ome", {}).get("multiscales", [{}])[0]
    except Exception:  # no Zarr: there is but one level
        return [first]
    names = [one["path"] for one in multiscale.get("datasets", [])]
    if options.get("array") not in (None, *names[:1]):
        return [first]
    return [first, *(open_source(path, **options | {"array": name}) for name in names[1:])]


def serve(scenes):
    """Serve ``scenes`` (dict title -> list of `Layer`) on the loopback device from threads; returns the address.

    The page there leads to a viewer for each.
    """
    for quiet in ("tornado.access", "tornado.general"):
        logging.getLogger(quiet).setLevel(logging.ERROR)
    stores = {f"{k}-{n}": layer for k, layers in enumerate(scenes.values()) for n, layer in enumerate(layers)}
    viewers, address = {}, []
    started = threading.Event()

    async def main():
        routes = [
            (r"/", Page, {"viewers": viewers}),
            (r"/(\d+-\d+)/(\.zattrs|\.zgroup)", Group, {"stores": stores}),
            (r"/(\d+-\d+)/(\d+)/\.zarray", Array, {"stores": stores}),
            (r"/(\d+-\d+)/(\d+)/(\d+)/(\d+)/(\d+)", Chunk, {"stores": stores}),
        ]
        (socket,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
        tornado.httpserver.HTTPServer(tornado.web.Application(routes, default_handler_class=Missing)).add_sockets(
            [socket]
        )
        address.append(f"http://127.0.0.1:{socket.getsockname()[1]}")
        started.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    started.wait()
    neuroglancer.set_server_bind_address("127.0.0.1")
    for k, (title, layers) in enumerate(scenes.items()):
        viewers[title] = viewer(f"{address[0]}/{k}", layers)
    return address[0]


def viewer(address, layers):
    """A neuroglancer viewer of ``layers``, whose stores are at ``address``-0, -1, ...; it lives while it is kept."""
    shown, first = neuroglancer.Viewer(), layers[0].levels[0]
    factor, unit = UNITS[first.unit]
    scales = [factor * size for size in reversed(first.voxel_size or (1.0, 1.0, 1.0))]
    with shown.txn() as state:
        state.dimensions = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units=[unit] * 3, scales=scales)
        for n, layer in enumerate(layers):
            source = f"zarr2://{address}-{n}/"
            if layer.kind == "objects":
                made = neuroglancer.SegmentationLayer(source=source, selected_alpha=0.35)
            elif layer.kind == "probability":
                made = neuroglancer.ImageLayer(source=source, shader=PROBABILITY)
            else:
                made = neuroglancer.ImageLayer(source=source, shader=grey(layer))
            state.layers.append(name=layer.name, layer=made, visible=layer.name in SHOWN)
        state.position = [n / 2 for n in reversed(first.shape)]
        state.cross_section_scale = max(first.shape[1:]) / 700
        state.layout = "xy"
    return shown


def grey(layer):
    """Shader that shows the image from its darkest to its brightest values, as they are in its middle."""
    source = layer.levels[-1]
    middle = [max(0, n // 2 - 128) for n in source.shape[1:]]
    z = source.shape[0] // 2
    sample = source.read((z, *middle), (z + 1, *(min(a + 256, n) for a, n in zip(middle, source.shape[1:]))))
    low, high = (float(v) for v in np.percentile(sample, [0.5, 99.5]))
    if layer.dtype(0).kind == "u":
        low, high = int(low), int(high) + 1
    return f"#uicontrol invlerp normalized(range=[{low}, {high}])\nvoid main() {{ emitGrayscale(normalized()); }}\n"


class Handler(tornado.web.RequestHandler):
    """Answers the browser's viewer, which comes from another port of this machine."""

    def initialize(self, stores=None, viewers=None):
        self.stores, self.viewers = stores, viewers

    def set_default_headers(self):
        self.set_header("Access-Control-Allow-Origin", "*")


class Missing(Handler):
    """What browsers and viewers ask for to find out that it isn't there."""

    def get(self, *parts):
        self.set_status(204 if self.request.path == "/favicon.ico" else 404)


class Page(Handler):
    def get(self):
        links = "".join(f'<li><a href="{v.get_viewer_url()}">{escape(t)}</a></li>' for t, v in self.viewers.items())
        style = "body { font: 16px/1.6 system-ui, sans-serif; margin: 2em; color-scheme: light dark }"
        self.write(
            f'<!DOCTYPE html><html lang="en"><title>unetflow: results</title><style>{style}</style>'
            f"<h1>Results</h1><ul>{links}</ul>"
        )


class Group(Handler):
    def get(self, store, file):
        self.write(json.dumps(self.stores[store].attributes() if file == ".zattrs" else {"zarr_format": 2}))


class Array(Handler):
    def get(self, store, level):
        self.write(json.dumps(self.stores[store].array(int(level))))


class Chunk(Handler):
    async def get(self, store, level, *place):
        read = self.stores[store].chunk
        self.write(await asyncio.to_thread(read, int(level), [int(n) for n in place]))
