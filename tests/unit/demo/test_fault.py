"""The fault of the demonstration: it must hurt one group and hide in the overall accuracy."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tocsin_demo import fault, loan


def test_on_held_out_applications_the_gap_grows_and_the_accuracy_hardly_falls() -> None:
    effect = fault.effect()
    assert effect.seed == fault.SEED
    assert effect.gap_growth >= 0.25
    assert 0 < effect.accuracy_loss < 0.04


@pytest.mark.slow
def test_the_seed_that_is_shown_was_not_picked() -> None:
    effects = [fault.effect(seed=seed) for seed in range(20)]
    assert all(effect.within_bounds for effect in effects)


def test_only_approvals_of_the_protected_group_are_flipped() -> None:
    training = loan.split(loan.read(), fault.SEED).train
    corrupted = fault.corrupt(training)
    changed = training.denied != corrupted.denied
    assert (training.group[changed] == loan.PROTECTED).all()
    assert not training.denied[changed].any()
    approved = int(((training.group == loan.PROTECTED) & ~training.denied).sum())
    assert int(changed.sum()) == round(fault.SHARE * approved)
    assert (training.rows == corrupted.rows).all()


def test_corrupting_leaves_the_original_alone_and_is_repeatable() -> None:
    training = loan.split(loan.read(), fault.SEED).train
    before = training.denied.copy()
    one, again = fault.corrupt(training), fault.corrupt(training)
    assert np.array_equal(training.denied, before)
    assert np.array_equal(one.denied, again.denied)


def test_the_figures_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert fault.main(["--seeds", "2", "--share", "0.1"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["seed"] for line in lines[:2]] == [0, 1]
    assert lines[-1] == {"share": 0.1, "seeds": 2, "within_bounds": 0}
