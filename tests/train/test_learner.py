"""One step, and what must survive between two."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from leadlab_train.errors import CheckpointError
from leadlab_train.learner import Learner
from leadlab_train.net1d import Net1D, ecgfounder
from leadlab_train.optimizer import FitSettings

SETTINGS = FitSettings(
    steps=12, learning_rate=1e-2, warmup_steps=2, weight_decay=0.01, average=0.8, layer_decay=0.9
)


def network() -> Net1D:
    torch.manual_seed(0)
    return ecgfounder(2, width="tiny", batch_norm=True).train()


def loss_of(model: nn.Module, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    return model(torch.randn(4, 1, 200, generator=generator)).square().mean()  # type: ignore[no-any-return]


def test_restored_at_any_step_it_ends_with_the_same_bits() -> None:
    whole = Learner(network(), SETTINGS)
    states = [({k: v.clone() for k, v in whole.state().items()}, 0)]
    for step in range(12):
        whole.step(step, loss_of)
        states.append(({k: v.clone() for k, v in whole.state().items()}, step + 1))
    for state, done in states:
        learner = Learner(network(), SETTINGS)
        learner.restore(state, done)
        for step in range(done, 12):
            learner.step(step, loss_of)
        for name, tensor in learner.state().items():
            assert torch.equal(tensor, states[-1][0][name]), (done, name)


def test_the_average_is_what_it_says() -> None:
    learner = Learner(network(), SETTINGS)
    expected = None
    for step in range(5):
        learner.step(step, loss_of)
        now = learner.model.dense.weight.detach().clone()
        expected = now if expected is None else 0.8 * expected + 0.2 * now
    torch.testing.assert_close(learner.result.dense.weight, expected)
    assert learner.result is not learner.model
    plain = Learner(network(), replace(SETTINGS, average=0.0))
    assert plain.result is plain.model


def test_a_gradient_is_clipped_to_its_limit_and_reported_whole() -> None:
    model = nn.Linear(3, 1, bias=False)
    settings = FitSettings(steps=1, learning_rate=0.0, clip_norm=1.0)
    step = Learner(model, settings).step(0, lambda m, _: m(torch.tensor([[3.0, 0.0, 4.0]])).sum())
    assert step.gradient.item() == pytest.approx(5.0)
    assert model.weight.grad is not None
    assert model.weight.grad.norm().item() == pytest.approx(1.0, rel=1e-4)
    unclipped = Learner(model, replace(settings, clip_norm=0.0))
    unclipped.step(0, lambda m, _: m(torch.tensor([[3.0, 0.0, 4.0]])).sum())
    assert model.weight.grad.norm().item() == pytest.approx(5.0)


def test_a_state_of_another_network_is_refused() -> None:
    state = Learner(network(), SETTINGS).state()
    other = Learner(ecgfounder(3, width="tiny", batch_norm=True), SETTINGS)
    with pytest.raises(CheckpointError, match="another network or other settings"):
        other.restore(state, 0)
