"""How the tensors of a file differ from those that ECGFounder's network holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from leadlab_train.net1d import WidthName, ecgfounder

MAX_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """How a file's tensors differ from a network's. False where they do not."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mis_shaped: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.mis_shaped)

    def __str__(self) -> str:
        """List each kind on its own line, long lists cut."""
        kinds = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "mis-shaped": self.mis_shaped,
        }
        return "\n".join(
            f"{kind} ({len(keys)}): {listed(keys)}" for kind, keys in kinds.items() if keys
        )


def compare(
    state: Mapping[str, Tensor], n_labels: int, *, leads: int = 1, width: WidthName = "full"
) -> Difference:
    """List how ``state`` differs from what ``ecgfounder(n_labels, leads, width)`` holds."""
    with torch.device("meta"):
        wanted = ecgfounder(n_labels, leads, width).state_dict()
    return Difference(
        tuple(key for key in wanted if key not in state),
        tuple(key for key in state if key not in wanted),
        tuple(
            f"{key} is {_form(state[key])}, expected {_form(tensor)}"
            for key, tensor in wanted.items()
            if key in state and not _alike(state[key], tensor)
        ),
    )


def listed(keys: tuple[str, ...]) -> str:
    """Return names in one line, a long list cut."""
    more = len(keys) - MAX_LISTED
    return ", ".join(key[:120] for key in keys[:MAX_LISTED]) + (
        f" and {more} more" if more > 0 else ""
    )


def _alike(found: Tensor, wanted: Tensor) -> bool:
    same_kind = found.is_floating_point() == wanted.is_floating_point()
    return same_kind and not found.is_complex() and found.shape == wanted.shape


def _form(tensor: Tensor) -> str:
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    return f"{str(tensor.dtype).removeprefix('torch.')} {shape}"
