"""The static copy of the network computes what the network does."""

import pytest
import torch
from golden_fill import fill

from leadlab_train.frozen import freeze_for_export
from leadlab_train.net1d import Net1D, Norm, WidthName, ecgfounder

LIMIT = 1e-5


def network(width: WidthName, leads: int = 1, batch_norm: bool = False) -> Net1D:
    """Return a network whose logits are of order one and whose every tensor matters."""
    model = ecgfounder(150, leads, width, batch_norm).eval()
    fill(model)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, Norm):
                module.weight += 1
    return model


def windows(leads: int, n_samples: int) -> torch.Tensor:
    """Return two windows, of which the first is a third as large."""
    x = torch.randn(2, leads, n_samples, generator=torch.Generator().manual_seed(1))
    return x * torch.tensor([1 / 3, 1])[:, None, None]


def difference(model: Net1D, leads: int, n_samples: int) -> float:
    x = windows(leads, n_samples)
    frozen = freeze_for_export(model, n_samples)
    with torch.inference_mode():
        expected, logits = model(x), frozen(x)
    assert logits.shape == (2, 150)
    assert 0.01 < expected.std(0).mean() < 100  # the windows matter
    return float((logits - expected).abs().max())


@pytest.mark.parametrize("width", ["tiny", "small"])
@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_reduced_widths_are_equal(width: WidthName, leads: int, batch_norm: bool) -> None:
    model = network(width, leads, batch_norm)
    for n_samples in (5000, 4999, 2500):
        assert difference(model, leads, n_samples) < LIMIT


@pytest.mark.parametrize(("leads", "batch_norm"), [(1, False), (12, True)])
def test_full_width_is_equal(leads: int, batch_norm: bool) -> None:
    assert difference(network("full", leads, batch_norm), leads, 5000) < LIMIT


def test_the_zero_after_an_odd_length_may_be_the_maximum() -> None:
    model = network("tiny")
    x = windows(1, 101)
    with torch.no_grad():
        model.first_conv.conv.weight.mul_(0.01)
        model.first_conv.conv.bias.fill_(-1.5)
        stem = torch.nn.functional.silu(model.first_conv(x))
    assert stem.shape[-1] == 51
    assert stem.max() < -0.2
    with torch.inference_mode():
        torch.testing.assert_close(freeze_for_export(model, 101)(x), model(x), atol=LIMIT, rtol=0)


def test_copies_and_leaves_the_model_alone() -> None:
    model = network("tiny", batch_norm=True).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    frozen = freeze_for_export(model, 500)
    x = windows(1, 500)
    logits = frozen(x)
    assert not logits.requires_grad
    assert not frozen.training
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(frozen(x), logits)


@pytest.mark.parametrize("shape", [(1, 1, 499), (1, 12, 500), (1, 500)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    frozen = freeze_for_export(network("tiny"), 500)
    with pytest.raises(ValueError, match=r"frozen for \(batch, 1, 500\)"):
        frozen(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"frozen for \(batch, 1, 500\)"):
        torch.export.export(frozen, (torch.zeros(shape),))


def test_a_length_is_positive() -> None:
    with pytest.raises(ValueError, match="n_samples is 0"):
        freeze_for_export(ecgfounder(3, width="tiny"), 0)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_exports_as_a_static_graph(batch_norm: bool) -> None:
    x = windows(1, 4999)
    frozen = freeze_for_export(network("tiny", batch_norm=batch_norm), 4999)
    program = torch.export.export(frozen, (x,))
    assert not program.range_constraints
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    shapes = [node.meta["val"].shape for node in program.graph.nodes if "val" in node.meta]
    assert all(type(size) is int for shape in shapes for size in shape)
    assert called <= {
        f"aten.{name}"
        for name in (
            "unsqueeze.default",
            "conv2d.default",
            "sigmoid.default",
            "mul.Tensor",
            "add.Tensor",
            "pad.default",
            "max_pool2d.default",
            "mean.dim",
            "flatten.using_ints",
        )
    }
    torch.testing.assert_close(program.module()(x), frozen(x), atol=LIMIT, rtol=0)
