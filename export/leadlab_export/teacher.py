"""The full network as a device runs it: filtered windows in, one logit for each indicator out.

Its front end, ``ecgfounder_v1``, stays outside the graph: it filters forward and backward and takes
off a running median of 201 samples, for neither of which there is a standard operator. The host
runs the very function that training ran, so the windows are the same to the last bit.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from leadlab_edge.pack.manifest import ECGFOUNDER_INPUT
from leadlab_export.errors import ExportError
from leadlab_train.checkpoint import load_ecgfounder
from leadlab_train.frozen import freeze_for_export
from leadlab_train.net1d import Net1D
from leadlab_train.recipe import Recipe, load_recipe

FREEZE_LIMIT = 1e-4  # of the largest logit, or of 1


class Teacher(nn.Module):
    """A static copy of ECGFounder's network; meets the same calls as a folded student.

    Parameters
    ----------
    model
        One-lead network of any width. It is left as it is.

    Attributes
    ----------
    rate_hz, margin, n_samples
        500 Hz, none, and 5000.

    Raises
    ------
    ExportError
        If the copy does not compute what the network computes.
    """

    def __init__(self, model: Net1D) -> None:
        super().__init__()
        self.rate_hz = ECGFOUNDER_INPUT.rate_hz
        self.margin, self.n_samples = ECGFOUNDER_INPUT.margin, ECGFOUNDER_INPUT.n_samples
        self.body = freeze_for_export(model, self.n_samples)
        # A linear layer, which the converters of int8 files know to keep its results in float.
        self.body.dense = nn.Identity()
        self.head = nn.Linear(model.dense.in_features, model.dense.out_features)
        self.head.load_state_dict(model.dense.state_dict())
        self.eval().requires_grad_(False)
        self._check(model)

    def forward(self, filtered: Tensor) -> Tensor:
        """Map ``(batch, 5000)``, filtered and z-scored, to ``(batch, n_labels)`` logits."""
        logits: Tensor = self.head(self.body(filtered.unsqueeze(1)))
        return logits

    def _check(self, model: Net1D) -> None:
        """Compare with the network on noise, whose spectrum leaves out nothing."""
        noise = torch.randn(2, self.n_samples, generator=torch.Generator().manual_seed(0))
        training = model.training
        model.eval()
        with torch.inference_mode():
            frozen, expected = self(noise), model(noise.unsqueeze(1))
        model.train(training)
        difference = float((frozen - expected).abs().max())
        limit = FREEZE_LIMIT * max(1.0, float(expected.abs().max()))
        if not difference <= limit:
            raise ExportError(
                f"the static copy differs from the network by {difference:.2g}; the limit is "
                f"{limit:.2g}. Export with the leadlab that trained it; if it stays, report it"
            )


@dataclass(frozen=True, slots=True, eq=False)
class TrainedTeacher:
    """A finished run of ``leadlab train``.

    Attributes
    ----------
    model, sha256
        The network with its best weights, and the hash of their file.
    recipe
        How it was trained.
    cohort_sha256
        Content hash of the cohort it was trained on.
    """

    model: Net1D
    sha256: str
    recipe: Recipe
    cohort_sha256: str


def load_teacher(run: Path, n_labels: int) -> TrainedTeacher:
    """Read the best weights of a run.

    Parameters
    ----------
    run
        The directory of a run that has come to its end.
    n_labels
        Indicators of the cohort.

    Raises
    ------
    ExportError
        The folder is no run.
    CheckpointError
        Its weights are absent, damaged, or of another panel.
    """
    try:
        asked = json.loads((run / "run.json").read_text(encoding="utf-8"))["asked"]
        cohort_sha256 = str(asked["cohort_sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(
            f"{run} is no run of `leadlab train`: run.json gives {error!r}. Remedy: give the "
            "--out of a training that was done"
        ) from error
    recipe = load_recipe(run / "recipe.toml")
    loaded = load_ecgfounder(
        run / "best.safetensors", n_labels, width=recipe.model.width, replace_head=False
    )
    loaded.model.apply_batch_norm(recipe.model.batch_norm)
    return TrainedTeacher(loaded.model.eval(), loaded.sha256, recipe, cohort_sha256)
