"""ECGFounder's weights on disk: read in the authors' layout, loaded strictly, written safely.

Read are the authors' training checkpoints (a dict with ``state_dict``, optimizer, scheduler, epoch,
step and ``val_auroc``), bare state dicts, and safetensors. Written is safetensors with a JSON
sidecar, and nothing else. A file loads whole or not at all: what is missing, unexpected or of
another shape is listed.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from leadlab_train.errors import CheckpointError
from leadlab_train.files import replace_files
from leadlab_train.net1d import WIDTHS, Net1D, WidthName, ecgfounder
from leadlab_train.state_diff import Difference, compare, listed
from leadlab_train.torch_file import read_torch_file

Layout = Literal["training checkpoint", "state dict", "safetensors"]

HEAD: Final = ("dense.weight", "dense.bias")
STEM: Final = "first_conv.conv.weight"
BUFFERS: Final = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What a file holds. None: the file does not say."""

    layout: Layout
    keys: int
    parameters: int
    leads: int | None
    labels: int | None
    width: WidthName | None
    epoch: int | None = None
    step: int | None = None
    val_auroc: float | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a file on the CPU by key, without ``module.`` prefixes."""

    path: Path
    sha256: str
    info: CheckpointInfo
    state: Mapping[str, Tensor]


class Loaded(NamedTuple):
    """A network that holds a file's weights, and where they came from."""

    model: Net1D
    sha256: str
    info: CheckpointInfo


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a file of weights in any layout. Nothing in it is ever executed.

    Raises
    ------
    CheckpointError
        The file is absent, empty, damaged, unsafe, or holds no state dict of plain tensors.
    """
    path = Path(path)
    head, sha256 = _measure(path)
    if head[8:9] == b"{":  # safetensors: a length of 8 bytes, then JSON
        layout: Layout = "safetensors"
        contents: object = _read_safetensors(path)
    else:
        contents = read_torch_file(path)
        nested = isinstance(contents, Mapping) and "state_dict" in contents
        layout = "training checkpoint" if nested else "state dict"
    if not isinstance(contents, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(contents).__name__}, not a state dict. "
            "Remedy: save model.state_dict(), not the model or a tensor"
        )
    training = contents if layout == "training checkpoint" else {}
    state = _plain_state(path, training.get("state_dict", contents))
    return Checkpoint(path, sha256, _describe(layout, state, training), state)


def load_ecgfounder(
    path: str | Path,
    n_labels: int,
    *,
    leads: int = 1,
    width: WidthName = "full",
    replace_head: bool,
) -> Loaded:
    """Read a file and load it strictly into ECGFounder's network.

    Parameters
    ----------
    path
        A file that :func:`read_checkpoint` reads.
    n_labels
        Outputs of the network.
    leads, width
        As in :func:`leadlab_train.net1d.ecgfounder`.
    replace_head
        Ignore the file's ``dense`` layer and keep a new one, drawn from torch's generator.

    Raises
    ------
    CheckpointError
        The file cannot be read, or holds anything but exactly this network's tensors.
    """
    return build_ecgfounder(
        read_checkpoint(path), n_labels, leads=leads, width=width, replace_head=replace_head
    )


def build_ecgfounder(
    checkpoint: Checkpoint,
    n_labels: int,
    *,
    leads: int = 1,
    width: WidthName = "full",
    replace_head: bool,
) -> Loaded:
    """Load a checkpoint that was read; see :func:`load_ecgfounder`."""
    path, info = checkpoint.path, checkpoint.info
    if info.leads is not None and info.leads != leads:
        raise CheckpointError(
            f"{path} is a {info.leads}-lead checkpoint ({STEM} has {info.leads} input channels), "
            f"and {leads} lead{'s were' if leads != 1 else ' was'} asked for. "
            f"Remedy: give the {leads}-lead file"
        )
    state = dict(checkpoint.state)
    if replace_head:
        state = {key: tensor for key, tensor in state.items() if not key.startswith("dense.")}
    found = compare(state, n_labels, leads=leads, width=width)
    if replace_head:
        found = Difference(
            tuple(key for key in found.missing if key not in HEAD),
            found.unexpected,
            found.mis_shaped,
        )
    if found:
        raise CheckpointError(
            f"{path} does not fit ECGFounder ({leads}-lead, {n_labels} labels, width {width}):\n"
            f"{found}\nRemedy: {_remedy(found)}"
        )
    broken = tuple(key for key, tensor in state.items() if not tensor.isfinite().all())
    if broken:
        raise CheckpointError(
            f"{path} holds NaN or infinity in {len(broken)} tensors: {listed(broken)}. "
            "Remedy: take an earlier checkpoint of that run"
        )
    model = ecgfounder(n_labels, leads, width)
    model.load_state_dict({**model.state_dict(), **state})  # a new head stays as it was drawn
    return Loaded(model, checkpoint.sha256, info)


def save_weights(path: str | Path, model: Net1D, metadata: Mapping[str, object]) -> str:
    """Write ``path`` (safetensors) and ``path`` with suffix ``.json``; return the weights' sha256.

    Each file appears whole or not at all, and a sidecar never stands beside weights that it does
    not describe: killed between the two renames, the weights stand alone.

    Parameters
    ----------
    path
        ``NAME.safetensors``; an existing pair is replaced.
    model
        The network; its tensors are stored in their own precision.
    metadata
        Anything JSON can hold; stored in the sidecar beside hash, leads and labels.

    Raises
    ------
    CheckpointError
        The name has another suffix, or the disk refuses.
    TypeError, ValueError
        JSON cannot hold the metadata; nothing is written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path} ends in {path.suffix!r}; weights are written as safetensors only. "
            f"Remedy: name it {path.with_suffix('.safetensors').name}"
        )
    state = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
    weights = safetensors.torch.save(state, {"format": "pt"})
    sidecar = {
        "sha256": hashlib.sha256(weights).hexdigest(),
        "leads": state[STEM].shape[1],
        "labels": state[HEAD[0]].shape[0],
        "keys": len(state),
        "metadata": dict(metadata),
    }
    text = json.dumps(sidecar, indent=2, allow_nan=False) + "\n"
    try:
        replace_files((path, weights), (path.with_suffix(".json"), text.encode()))
    except OSError as error:
        raise CheckpointError(
            f"{path} ({len(weights)} bytes) cannot be written: {error}. "
            "Remedy: make room or give a folder that can be written"
        ) from error
    return str(sidecar["sha256"])


def _measure(path: Path) -> tuple[bytes, str]:
    """Return the first bytes of a file and its sha256."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}. Remedy: give the path of a file of weights"
        ) from error
    if not head:
        raise CheckpointError(f"{path} is empty (0 bytes). Remedy: fetch it again")
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path} is a Git LFS pointer ({path.stat().st_size} bytes), not the weights. "
            "Remedy: git lfs pull"
        )
    return head, digest


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except Exception as error:  # the reader raises its own errors, OSError and others
        raise CheckpointError(
            f"{path} ({path.stat().st_size} bytes) is damaged safetensors: {error}. "
            "Remedy: compare its size and sha256 with the source's and fetch it again"
        ) from error
    return tensors


def _plain_state(path: Path, state: object) -> dict[str, Tensor]:
    """Strip ``module.``, and refuse what is not a mapping of names to whole dense tensors."""
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(
            f"{path}: its state dict is {'empty' if state == {} else type(state).__name__}. "
            "Remedy: save model.state_dict()"
        )
    plain: dict[str, Tensor] = {}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor) or not _is_whole(value):
            raise CheckpointError(
                f"{path}: entry {str(name)[:80]!r} is {type(value).__name__}; a state dict maps "
                "names to dense tensors only. Remedy: save model.state_dict()"
            )
        key = name.removeprefix("module.")
        if key in plain:
            raise CheckpointError(
                f"{path} holds {key!r} twice, with and without 'module.'. Remedy: keep one"
            )
        plain[key] = value.detach()
    return plain


def _is_whole(tensor: Tensor) -> bool:
    """Tell whether every element is stored: a crafted view could claim any size."""
    if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _describe(
    layout: Layout, state: Mapping[str, Tensor], training: Mapping[str, object]
) -> CheckpointInfo:
    stem, head = state.get(STEM), state.get(HEAD[0])
    convolves = stem is not None and stem.ndim == 3
    stems = {width.stem: name for name, width in WIDTHS.items()}
    return CheckpointInfo(
        layout=layout,
        keys=len(state),
        parameters=sum(t.numel() for key, t in state.items() if not key.endswith(BUFFERS)),
        leads=stem.shape[1] if stem is not None and convolves else None,
        labels=head.shape[0] if head is not None and head.ndim == 2 else None,
        width=stems.get(stem.shape[0]) if stem is not None and convolves else None,
        epoch=_count(training.get("epoch")),
        step=_count(training.get("step")),
        val_auroc=_figure(training.get("val_auroc")),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _figure(value: object) -> float | None:
    return value if isinstance(value, float) and math.isfinite(value) else None


def _remedy(found: Difference) -> str:
    touched = {*found.missing, *(entry.split(" ")[0] for entry in found.mis_shaped)}
    if touched <= set(HEAD) and not found.unexpected:
        return "only the head differs: ask for a new one, or for the file's number of labels"
    return "give a checkpoint of this network; `leadlab weights inspect FILE` says what a file is"
