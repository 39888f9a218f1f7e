"""Processes that train one network together, a GPU each: all take the same steps, each on its share of the samples.

Gradients are added up over all of them, so that a step is that of one process with all the samples. The process that
began it leads: it alone validates, saves and tells; the helpers end with it.
"""

import pickle
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, nn
from torch.multiprocessing import get_context

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
PATIENCE = timedelta(days=1)  # the helpers wait while the leader validates


class Alone:
    """One process, which has nobody to share with."""

    rank, size = 0, 1

    def add(self, tensor):
        """The sum of ``tensor`` over all processes."""
        return tensor

    def add_gradients(self, model):
        """Put the sums over all processes in place of the gradients of ``model``."""

    def agree_on_buffers(self, model):
        """Put the means over all processes in place of the statistics of normalisation."""


class Team(Alone):
    """The processes that `together` began."""

    def __init__(self):
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def add(self, tensor):
        tensor = tensor.clone()
        distributed.all_reduce(tensor)
        return tensor

    def add_gradients(self, model):
        gradients = [weights.grad for weights in model.parameters() if weights.grad is not None]
        self.replace(gradients, 1)

    def agree_on_buffers(self, model):
        self.replace([one for one in model.buffers() if one.is_floating_point()], self.size)

    def replace(self, tensors, divisor):
        """One sum over the processes for all ``tensors``, instead of one for each."""
        if tensors:
            flat = self.add(torch.cat([one.flatten() for one in tensors])).div_(divisor)
            for one, part in zip(tensors, flat.split([one.numel() for one in tensors])):
                one.copy_(part.view_as(one))


def team():
    """The `Team` of this process, or `Alone`."""
    return Team() if distributed.is_initialized() else Alone()


@contextmanager
def together(size, device, folder, take_part, *arguments):
    """Lead ``size`` processes while the body runs.

    device : "cpu" or "cuda", of this process. folder : where they meet, for files. take_part : a function of a module,
    called with ``arguments`` in each of the helpers once it can reach the others; both are sent to them.
    """
    if size == 1:
        yield
        return
    meeting = Path(folder, "meeting").absolute()
    meeting.unlink(missing_ok=True)  # of an interrupted run
    threads, context = torch.get_num_threads(), get_context("spawn")
    sent = pickle.dumps((take_part, arguments))  # a copy; tensors that are sent as they are share their memory
    helpers = [
        context.Process(target=helper_process, args=(k, size, device, meeting, threads, sent), daemon=True)
        for k in range(1, size)
    ]
    for helper in helpers:
        helper.start()
    try:
        join(0, size, device, meeting)
        yield
        for helper in helpers:
            helper.join()
    finally:
        for helper in helpers:
            helper.kill()
        if distributed.is_initialized():
            distributed.destroy_process_group()


def join(rank, size, device, meeting):
    distributed.init_process_group(BACKENDS[device], f"file://{meeting}", rank=rank, world_size=size, timeout=PATIENCE)


def helper_process(rank, size, device, meeting, threads, sent):
    """What a helper does: claims a GPU, joins the others, takes part."""
    from .. import jobs

    jobs.device(int(device == "cuda"), threads)
    join(rank, size, device, meeting)
    take_part, arguments = pickle.loads(sent)
    take_part(*arguments)
    distributed.destroy_process_group()


def shared_statistics(model, device):
    """``model`` with normalisations that see the samples of all processes; on a CPU, where PyTorch has none such, each
    keeps to its own and the running statistics are averaged."""
    return nn.SyncBatchNorm.convert_sync_batchnorm(model) if device == "cuda" else model
