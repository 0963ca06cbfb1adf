"""Rates: schedules, layers, decay."""

import pytest
from torch import nn

from leadlab_train.net1d import ecgfounder
from leadlab_train.optimizer import FitSettings, build_optimizer, set_learning_rate


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    settings = FitSettings(steps=100, learning_rate=1.0, warmup_steps=10)
    rates = [settings.learning_rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_constant_rate_stays_after_its_warm_up() -> None:
    settings = FitSettings(steps=9, learning_rate=2.0, warmup_steps=2, schedule="constant")
    assert [settings.learning_rate_at(step) for step in range(9)] == [1.0, *[2.0] * 8]


def test_the_length_is_given_once_and_epochs_become_steps() -> None:
    with pytest.raises(ValueError, match="give one of the two"):
        FitSettings(learning_rate=1.0)
    assert FitSettings(epochs=3, learning_rate=1.0).in_steps(70).steps == 210
    assert FitSettings(steps=5, learning_rate=1.0).in_steps(70).steps == 5


def test_layers_learn_the_slower_the_deeper_they_lie() -> None:
    model = ecgfounder(3, width="tiny", batch_norm=True)
    optimizer = build_optimizer(model, FitSettings(steps=1, learning_rate=1.0, layer_decay=0.5))
    set_learning_rate(optimizer, 8.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    by_name = {name: rates[id(p)] for name, p in model.named_parameters()}
    assert len(by_name) == len(list(model.parameters()))
    assert by_name["dense.weight"] == by_name["dense.bias"] == 8.0
    assert by_name["stage_list.1.block_list.0.conv2.conv.weight"] == 4.0
    assert by_name["stage_list.0.block_list.0.se_fc1.bias"] == 2.0
    assert by_name["first_conv.conv.weight"] == by_name["first_bn.weight"] == 1.0


def test_only_what_learns_and_only_matrices_decay() -> None:
    model = ecgfounder(3, width="tiny")  # batch norm is not applied, and does not learn
    settings = FitSettings(steps=1, learning_rate=1.0, weight_decay=0.1)
    groups = build_optimizer(model, settings).param_groups
    for group in groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] > 0}
        assert all(p.requires_grad for p in group["params"])
    assert sum(len(group["params"]) for group in groups) == sum(
        p.requires_grad for p in model.parameters()
    )


def test_layers_of_another_network_are_not_guessed() -> None:
    with pytest.raises(ValueError, match=r"layer_decay is 0\.5; only ECGFounder's network"):
        build_optimizer(nn.Linear(2, 2), FitSettings(steps=1, learning_rate=1.0, layer_decay=0.5))
