"""What moves the weights: the optimiser of a recipe, and its learning rate over the steps."""

import math

import torch


def make_optimizer(model, recipe):
    """SGD with momentum (the paper) or AdamW, with a group of parameters for each ``rate``, a factor of the learning
    rate. With ``encoder_rate`` 0 the encoder is frozen."""
    encoder = {id(parameter) for parameter in model.encoder.parameters()}
    groups = {}
    for parameter in model.parameters():
        rate = recipe.encoder_rate if id(parameter) in encoder else 1.0
        parameter.requires_grad_(rate > 0)
        groups.setdefault(rate, []).append(parameter)
    groups = [{"params": members, "rate": rate} for rate, members in groups.items() if rate > 0]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return torch.optim.AdamW(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)


def learning_rate(recipe, step):
    """Learning rate at ``step``: linear warm-up, then constant or half a cosine down to 0."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.learning_rate
    progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
