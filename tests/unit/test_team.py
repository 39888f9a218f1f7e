"""Two processes that train together take the steps of one with all the samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_fit import RECIPE, samples
from unetflow import models
from unetflow.errors import InputError
from unetflow.training import fit
from unetflow.training.team import Alone, together


class UnevenWeights:
    """Samples whose weights differ, so that means of means would be something else."""

    def __init__(self):
        self.samples = [(i, t, w * (1 + 5 * k)) for k, (i, t, w) in enumerate(samples())]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def network(norm):
    torch.manual_seed(0)
    return models.build("unet", width=4, depth=1, norm=norm, dropout=0)


def trained(size, recipe, folder, norm="none", stop_after=None):
    folder.mkdir(exist_ok=True)
    how = network(norm), recipe, 3, "cpu"

    def report(step, seen):
        if step == stop_after and not isinstance(seen, dict):
            raise KeyboardInterrupt

    with together(size, "cpu", folder, fit.take_part, *how, UnevenWeights(), folder / "checkpoint"):
        run = fit.Training(*how)
        run.run(UnevenWeights(), lambda averaged: {}, folder / "checkpoint", report)
    return run


@pytest.mark.parametrize("norm, fix_norm", [("none", 1.0), ("batch", 0.0)])
def test_two_are_one_with_the_summed_batch(tmp_path, norm, fix_norm):
    recipe = replace(RECIPE, batch=4, fix_norm=fix_norm, optimizer="sgd", learning_rate=1e-4, validate_every=1)
    one, two = (trained(size, recipe, tmp_path / str(size), norm) for size in (1, 2))
    assert len(two.history) == len(one.history) > 1
    for ours, theirs in zip(two.history, one.history):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
    for name, tensor in one.average.items():
        np.testing.assert_allclose(two.average[name].detach(), tensor.detach(), atol=2e-4, err_msg=name)


def test_together_they_go_on_where_they_were_interrupted(tmp_path):
    recipe = replace(RECIPE, batch=2)
    straight = trained(2, recipe, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        trained(2, recipe, tmp_path / "broken", stop_after=10)
    again = trained(2, recipe, tmp_path / "broken")
    for name, tensor in straight.average.items():
        np.testing.assert_array_equal(again.average[name].detach(), tensor.detach(), err_msg=name)


def test_samples_that_cant_be_shared_are_refused(monkeypatch):
    class Three(Alone):
        size = 3

    monkeypatch.setattr(fit, "team", Three)
    with pytest.raises(InputError, match="batch is 4, which 3 GPUs can't share evenly"):
        fit.Training(network("none"), replace(RECIPE, batch=4), 0, "cpu")
