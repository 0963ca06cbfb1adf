"""A checkpoint in the authors' layout, from their file to a trained, resumed, converted network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from golden_fill import fill

from leadlab_edge.cli import main
from leadlab_train.checkpoint import read_checkpoint
from leadlab_train.cohort import Cohort
from leadlab_train.learner import Learner
from leadlab_train.net1d import ecgfounder

RECIPE = """
[model]
width = "small"
trains = "all"

[windows]
batch = 2
crop_s = 2.0

[fit]
steps = 2
learning_rate = 1e-4
layer_decay = 0.8
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file as the authors write it, of a narrow network whose weights mean nothing."""
    model = ecgfounder(150, width="small")
    fill(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    path: Path = tmp_path_factory.mktemp("published") / "1_lead_ECGFounder.pth"
    torch.save(
        {
            "epoch": 7,
            "step": 70_000,
            "state_dict": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": {"best": 0.9},
            "val_auroc": np.float64(0.9),
        },
        path,
    )
    return path


def test_it_trains_resumes_and_converts(
    published: Path, small_cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run, out = tmp_path / "mine.toml", tmp_path / "run", tmp_path / "out.safetensors"
    recipe.write_text(RECIPE)

    def train() -> Result:
        options = ("--cohort", small_cohort.path, "--out", run, "--weights", published)
        arguments = [str(part) for part in ("train", recipe, *options, "--checkpoint-minutes", 0)]
        return CliRunner().invoke(main, arguments)

    whole_step = Learner.step

    def one_step(learner: Learner, *arguments: object) -> object:
        if learner.done == 1:
            raise KeyboardInterrupt
        return whole_step(learner, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", one_step)
        assert train().exit_code != 0
    resumed = train()
    assert resumed.exit_code == 0, resumed.output
    assert "Done after 2 steps" in resumed.output
    weights = run / "best.safetensors"
    trained, before = read_checkpoint(weights), read_checkpoint(published)
    assert trained.state.keys() == before.state.keys()
    assert trained.info.labels == 108
    stem = "first_conv.conv.weight"
    moved = (trained.state[stem] - before.state[stem]).abs().max().item()
    assert 0 < moved < 1e-4  # two small steps from the published weights
    unused = "stage_list.3.block_list.1.bn2.weight"  # as the published network
    assert torch.equal(trained.state[unused], before.state[unused])
    arguments = ["weights", "convert", str(weights), "--out", str(out)]
    converted = CliRunner().invoke(main, arguments)
    assert converted.exit_code == 0, converted.output
    assert torch.equal(read_checkpoint(out).state[stem], trained.state[stem])
    assert before.sha256 in (run / "run.json").read_text()


def test_batch_norm_on_published_weights_is_refused(
    published: Path, small_cohort: Cohort, tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE.replace("[model]\n", "[model]\nbatch_norm = true\n"))
    options = ("--cohort", small_cohort.path, "--out", tmp_path / "run", "--weights", published)
    result = CliRunner().invoke(main, [str(part) for part in ("train", recipe, *options)])
    assert result.exit_code == 1
    assert "trained without it" in result.output
