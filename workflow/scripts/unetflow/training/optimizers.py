"""What moves the weights: the optimiser of a recipe, and its learning rate over the steps."""

import math

import torch


def make_optimizer(model, recipe):
    """SGD with momentum (the paper) or AdamW, with a group of parameters for each ``rate``, a factor of the learning
    rate. With ``encoder_rate`` 0 the encoder is frozen. A step is one kernel. On a GPU the rate is a tensor, which may
    change when the step is recorded (`gpu.Recorded`)."""
    encoder = {id(parameter) for parameter in model.encoder.parameters()}
    groups = {}
    for parameter in model.parameters():
        rate = recipe.encoder_rate if id(parameter) in encoder else 1.0
        parameter.requires_grad_(rate > 0)
        groups.setdefault(rate, []).append(parameter)
    groups = [{"params": members, "rate": rate} for rate, members in groups.items() if rate > 0]
    device = next(model.parameters()).device
    on_gpu = device.type == "cuda"
    rate = torch.tensor(recipe.learning_rate, device=device) if on_gpu else recipe.learning_rate
    kind = {"lr": rate, "weight_decay": recipe.weight_decay, "fused": True}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=recipe.momentum, **kind)
    return torch.optim.AdamW(groups, capturable=on_gpu, **kind)


def set_rate(optimizer, rate):
    """Give each group of parameters its share of the learning ``rate``."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(group["rate"] * rate)
        else:
            group["lr"] = group["rate"] * rate


def learning_rate(recipe, step):
    """Learning rate at ``step``: linear warm-up, then constant or half a cosine down to 0."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.learning_rate
    progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
