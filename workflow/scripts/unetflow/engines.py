"""What runs a network: PyTorch, or OpenVINO, which was faster on our CPUs at the same precision (docs/log.md)."""

import logging
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import torch

from .gpu import fused
from .quantisation import quantised

log = logging.getLogger("unetflow")
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
INT8 = "int8"  # for prediction, by OpenVINO
BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # abilities of a processor, as PyTorch names them


def usable(precision, device):
    """``precision``, or float32 on a CPU that could only imitate bfloat16, which takes longer."""
    if precision != "bfloat16" or device != "cpu" or any(map(torch.cpu.get_capabilities().get, BFLOAT16)):
        return precision
    log.warning("this processor has no arithmetic in bfloat16: float32 is used")
    return "float32"


def in_floats(precision):
    """``precision``, or bfloat16 for int8, which PyTorch has no convolutions in."""
    if precision != INT8:
        return precision
    log.warning("only OpenVINO, on a CPU, computes in int8: bfloat16 is used")
    return "bfloat16"


def memory_format(precision, device):
    """Channels last, except for float32 on a CPU without AVX-512, where a step takes longer with it (docs/log.md)."""
    old = device == "cpu" and torch.backends.cpu.get_cpu_capability() != "AVX512"
    return torch.contiguous_format if old and precision == "float32" else torch.channels_last


def choose(engine, model, device):
    """The engine that "auto" means: on a CPU the network's fastest one, else PyTorch."""
    if engine != "auto":
        return engine
    return model.cpu_engine if device == "cpu" else "torch"


class Torch:
    """Logits float32[n, class, y', x'] of images float32[n, c, y, x], by PyTorch where the weights are."""

    def __init__(self, model, precision="float32"):
        self.device = next(model.parameters()).device
        self.dtype = PRECISIONS[usable(in_floats(precision), self.device.type)]
        rounded_on_gpu = self.device.type == "cuda" and self.dtype is not None
        self.model = fused(model, self.dtype) if rounded_on_gpu else model.eval()

    def __call__(self, image):
        image = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            return self.model(image).float()


class OpenVino:
    """The same by OpenVINO, on as many threads as PyTorch has.

    The graph is compiled for images of any size: one for each size would be no faster, and keep memory of its own
    (docs/log.md). A result is valid until the next call, which writes over it.
    """

    def __init__(self, model, precision="float32"):
        sys.modules.setdefault("openvino_telemetry", None)  # its import fails then: nothing here calls home
        import openvino

        if next(model.parameters()).device.type != "cpu":
            raise ValueError("the engine openvino computes on a CPU; use engine: auto or torch on a GPU")
        rounded = usable(precision, "cpu") == "bfloat16"
        options = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "bf16" if rounded else "f32",
            "ENABLE_CPU_PINNING": False,  # several jobs on one machine must not meet on the same cores
        }
        model = quantised(model) if precision == INT8 else model.eval()
        example = torch.zeros(1, model.in_channels, *model.valid_shape((1, 1)))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # OpenVINO reads traces, which PyTorch gives up
            traced = torch.jit.trace(model, example, check_trace=False)  # it would check twice
            graph = openvino.convert_model(traced, input=[1, model.in_channels, -1, -1])
        graph = with_exact_ends(graph) if rounded else graph
        self.request = openvino.Core().compile_model(graph, "CPU", options).create_infer_request()

    def __call__(self, image):
        result = self.request.infer([image.contiguous().numpy()], share_inputs=True, share_outputs=True)
        return torch.from_numpy(result[0])


def with_exact_ends(graph):
    """The OpenVINO ``graph`` with its first and its last convolution marked to stay in float32 (`ExactConv2d`).

    Only the XML of a graph takes the mark; the Python interface can't set it.
    """
    import openvino

    with TemporaryDirectory() as folder:
        path = Path(folder, "graph.xml")
        openvino.serialize(graph, path)
        xml = ElementTree.parse(path)
        convolutions = xml.findall(".//layer[@type='Convolution']")
        for layer in (convolutions[0], convolutions[-1]):
            ElementTree.SubElement(ElementTree.SubElement(layer, "rt_info"), "attribute", name="precise", version="0")
        xml.write(path)
        return openvino.Core().read_model(path)


ENGINES = {"torch": Torch, "openvino": OpenVino}
