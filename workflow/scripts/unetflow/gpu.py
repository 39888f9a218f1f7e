"""What keeps a GPU busy: results that are fetched while it computes on, steps recorded once and replayed, and
convolutions that add their bias and cut off what is negative before they write their result."""

import torch
from torch import nn

from .models.network import ExactConv2d, folded, with_blocks

WARM_UP = 3  # calls before a function is recorded: libraries choose and allocate in the first ones
IN_FLIGHT = {"cpu": 0, "cuda": 8}  # tiles that may be computed before the first of them is fetched
LARGEST = 2**31  # numbers in a tensor, more than 32 bits count: such convolutions are left to PyTorch


def to_device(array, device):
    """The CPU tensor ``array`` on ``device``, without waiting for what a GPU computes."""
    return array.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else array.to(device)


def later(tensor):
    """A function that returns ``tensor`` on the CPU. A GPU copies it when it has computed it; nobody waits before."""
    if tensor.device.type != "cuda":
        return lambda: tensor
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    copy.copy_(tensor, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def wait():
        arrived.synchronize()
        return copy

    return wait


class Mosaic:
    """An array that is put together from tiles, of which a GPU may still be computing the last.

    array : NumPy array [..., y, x] to fill. device : where the tiles come from.
    """

    def __init__(self, array, device):
        self.array, self.in_flight, self.coming = array, IN_FLIGHT[device.type], []

    def put(self, where, tile):
        """``tile`` (a tensor) belongs at the index ``where``."""
        self.coming.append((where, later(tile)))
        self.fetch(self.in_flight)

    def whole(self):
        """The array, when all tiles are in it."""
        self.fetch(0)
        return self.array

    def fetch(self, leave):
        while len(self.coming) > leave:
            where, tile = self.coming.pop(0)
            self.array[where] = tile().numpy()


class Recorded:
    """A function of CPU tensors that is recorded on a GPU as a CUDA graph and replayed: one launch instead of hundreds,
    which would take the processor longer than the GPU needs for them.

    What the function uses beside its arguments has to stay where it is in memory. It is recorded anew where the shapes
    of the arguments or ``state``, of which the function depends, are others than in the last call. The result is a
    tensor on the GPU, valid until the next call.
    """

    def __init__(self, function, device):
        self.function, self.device, self.key, self.stream = function, device, None, torch.cuda.Stream(device)

    def __call__(self, *arguments, state=None):
        key = state, [argument.shape for argument in arguments]
        if key != self.key:
            self.key, self.calls, self.graph = key, 0, None
            self.arguments = [torch.empty_like(argument, device=self.device) for argument in arguments]
        for fixed, argument in zip(self.arguments, arguments):
            fixed.copy_(argument, non_blocking=True)
        self.calls += 1
        if self.calls <= WARM_UP:
            return self.beside(lambda: self.function(*self.arguments))
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode="thread_local"):
                self.result = self.function(*self.arguments)
        self.graph.replay()
        return self.result

    def beside(self, work):
        """The result of ``work`` on the stream of its own that recording asks for."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = work()
        current.wait_stream(self.stream)
        return result


class FusedBlock(nn.Module):
    """A `models.network.Block` as a network predicts with it in ``dtype`` on a GPU, where passes over memory take
    longer than convolutions: normalisation is part of the weights, bias and ReLU of the convolution's kernel.

    Exact convolutions stay in float32.
    """

    def __init__(self, block, dtype):
        super().__init__()
        self.layers = []
        for convolution, norm, _ in block.steps:
            kept = convolution.weight.dtype if isinstance(convolution, ExactConv2d) else dtype
            weight, bias = (tensor.detach().to(kept) for tensor in folded(convolution, norm))
            self.layers.append((weight.contiguous(memory_format=torch.channels_last), bias))

    def forward(self, x):
        with torch.autocast(x.device.type, enabled=False):
            for weight, bias in self.layers:
                x = convolution_relu(x.to(weight.dtype), weight, bias)
        return x


def convolution_relu(x, weight, bias):
    """ReLU of the unpadded convolution of ``x`` [n, c, y, x], in one kernel unless it is in float32."""
    largest = x.numel() // x.shape[1] * max(weight.shape[:2])
    if x.dtype == torch.float32 or largest >= LARGEST:
        return torch.relu_(torch.conv2d(x, weight, bias))
    return torch.cudnn_convolution_relu(x, weight, bias, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1)


def fused(model, dtype):
    """A copy of the network ``model``, on the same GPU, that predicts with a `FusedBlock` for each block."""
    return with_blocks(model, lambda block: FusedBlock(block, dtype))
