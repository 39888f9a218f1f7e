"""What runs a network: PyTorch, or OpenVINO, which was faster on our CPU at the same precision (docs/log.md)."""

import sys
import warnings

import torch

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


def choose(engine, device, precision):
    """The engine that "auto" means: OpenVINO for float32 on a CPU, else PyTorch."""
    if engine != "auto":
        return engine
    return "openvino" if device == "cpu" and precision == "float32" else "torch"


class Torch:
    """Logits float32[n, class, y', x'] of images float32[n, 1, y, x], by PyTorch where the weights are."""

    def __init__(self, model, precision="float32"):
        self.model, self.dtype = model.eval(), PRECISIONS[precision]
        self.device = next(model.parameters()).device

    def __call__(self, image):
        if self.device.type == "cuda":
            image = image.pin_memory().to(self.device, non_blocking=True)
        image = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            return self.model(image).float()


class OpenVino:
    """The same by OpenVINO, on as many threads as PyTorch has. Each shape of input is compiled when first met."""

    def __init__(self, model, precision="float32"):
        sys.modules.setdefault("openvino_telemetry", None)  # its import fails then: nothing here calls home
        import openvino

        if precision != "float32" or next(model.parameters()).device.type != "cpu":
            raise ValueError("the engine openvino computes in float32 on a CPU; use engine: auto or torch for others")
        example = torch.zeros(1, 1, *model.valid_shape((1, 1)))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # OpenVINO's own use of PyTorch
            self.graph = openvino.convert_model(model.eval(), example_input=example, input=[1, 1, -1, -1])
        self.core, self.requests = openvino.Core(), {}
        self.options = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,  # several jobs on one machine must not meet on the same cores
        }

    def __call__(self, image):
        shape = tuple(image.shape)
        if shape not in self.requests:
            graph = self.graph.clone()
            graph.reshape(list(shape))
            self.requests[shape] = self.core.compile_model(graph, "CPU", self.options).create_infer_request()
        result = self.requests[shape].infer([image.contiguous().numpy()], share_inputs=True)
        return torch.from_numpy(result[0].copy())


ENGINES = {"torch": Torch, "openvino": OpenVino}
