"""The network against the reference outputs of the published one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_fill import fill

from leadlab_train.net1d import WIDTHS, WidthName, ecgfounder, same_padding


def test_keys_are_the_checkpoints(golden: Path) -> None:
    rows = (golden / "ecgfounder_1lead_state_dict.tsv").read_text().splitlines()[1:]
    published = dict(row.split("\t") for row in rows)
    ours = {
        key: "x".join(map(str, tensor.shape)) or "scalar"
        for key, tensor in ecgfounder(150).state_dict().items()
    }
    assert ours == published
    assert list(ours) == list(published)


def test_outputs_are_the_published_networks(golden: Path) -> None:
    vectors = np.load(golden / "net1d_1lead_150.npz")
    model = ecgfounder(150).eval()
    fill(model)
    for length in (5000, 4999, 2500):
        x = torch.from_numpy(vectors[f"x_{length}"])
        with torch.inference_mode():
            features, logits = model.forward_features(x), model(x)
        np.testing.assert_allclose(
            features.numpy(), vectors[f"features_{length}"], atol=1e-4, rtol=0
        )
        np.testing.assert_allclose(logits.numpy(), vectors[f"logits_{length}"], atol=1e-4, rtol=0)


def test_parameter_counts() -> None:
    assert sum(p.numel() for p in ecgfounder(150).parameters()) == 30_807_750
    assert sum(p.numel() for p in ecgfounder(150, leads=12).parameters()) == 30_819_014


@pytest.mark.parametrize("width", [name for name in WIDTHS if name != "full"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_reduced_widths_learn_at_any_length(width: WidthName, batch_norm: bool) -> None:
    model = ecgfounder(108, width=width, batch_norm=batch_norm)
    for length in (2500, 1337, 100):
        logits = model(torch.randn(2, 1, length))
        assert logits.shape == (2, 108)
    logits.square().mean().backward()
    used = {name for name, p in model.named_parameters() if p.grad is not None}
    assert used == {n for n, _ in model.named_parameters() if batch_norm or "bn" not in n} - {
        f"stage_list.0.block_list.0.bn1.{name}" for name in ("weight", "bias")
    }


def test_train_and_eval_agree_without_batch_norm() -> None:
    model = ecgfounder(5, width="tiny")
    x = torch.randn(3, 1, 500)
    assert torch.equal(model.train()(x), model.eval()(x))


@pytest.mark.parametrize(
    ("length", "stride", "padding"), [(5000, 1, (7, 8)), (5000, 2, (7, 7)), (4999, 2, (7, 8))]
)
def test_same_padding(length: int, stride: int, padding: tuple[int, int]) -> None:
    assert same_padding(length, 16, stride) == padding


def test_unknown_width_names_the_legal_ones() -> None:
    with pytest.raises(ValueError, match="'wide' is unknown; choose one of full, small, tiny"):
        ecgfounder(3, width="wide")  # type: ignore[arg-type]
