"""Weights on disk: the authors' layout, strict loading, hostile and damaged files, the verb."""

import builtins
import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from golden_fill import fill
from torch import Tensor

from leadlab_edge.cli import main
from leadlab_train.checkpoint import load_ecgfounder, read_checkpoint, save_weights
from leadlab_train.errors import CheckpointError
from leadlab_train.net1d import WidthName, ecgfounder

State = dict[str, Tensor]


def filled(leads: int = 1, width: WidthName = "tiny", labels: int = 150) -> State:
    """Return the state dict of a network filled as the golden vectors' author filled it."""
    model = ecgfounder(labels, leads, width)
    fill(model)
    return model.state_dict()


def as_published(state: State, **changes: Any) -> dict[str, Any]:
    """Wrap a state dict as the authors' training script does."""
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([parameter], lr=1e-4)
    parameter.grad = torch.ones(3)
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max")
    return {
        "epoch": 7,
        "step": 12345,
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "val_auroc": np.float64(0.875),
        **changes,
    }


def same(model: torch.nn.Module, state: State) -> bool:
    ours = model.state_dict()
    return ours.keys() == state.keys() and all(torch.equal(ours[key], state[key]) for key in ours)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pth"
    torch.save(as_published(filled()), path)
    return path


def test_the_authors_layout_loads_whole(published: Path) -> None:
    model, sha256, info = load_ecgfounder(published, 150, width="tiny", replace_head=False)
    assert same(model, filled())
    assert sha256 == hashlib.sha256(published.read_bytes()).hexdigest()
    assert (info.layout, info.leads, info.labels) == ("training checkpoint", 1, 150)
    assert (info.width, info.epoch, info.step) == ("tiny", 7, 12345)
    assert info.val_auroc == 0.875


def test_the_published_network_at_full_width(tmp_path: Path, golden: Path) -> None:
    rows = (golden / "ecgfounder_1lead_state_dict.tsv").read_text().splitlines()[1:]
    state = filled(width="full")
    assert list(state) == [row.split("\t")[0] for row in rows]
    path = tmp_path / "1_lead_ECGFounder.pth"
    torch.save(as_published(state), path)
    model, _, info = load_ecgfounder(path, 150, replace_head=False)
    assert (info.keys, info.parameters, info.width) == (509, 30_807_750, "full")
    vectors = np.load(golden / "net1d_1lead_150.npz")
    with torch.inference_mode():
        logits = model(torch.from_numpy(vectors["x_2500"]))
    np.testing.assert_allclose(logits.numpy(), vectors["logits_2500"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("layout", ["state dict", "legacy", "safetensors"])
def test_bare_states_load(tmp_path: Path, layout: str, prefix: str) -> None:
    path = tmp_path / "bare"
    state = {prefix + key: tensor for key, tensor in filled().items()}
    if layout == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=layout != "legacy")
    model, _, info = load_ecgfounder(path, 150, width="tiny", replace_head=False)
    assert same(model, filled())
    assert info.layout == layout.replace("legacy", "state dict")
    assert info.val_auroc is None


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_the_scalar_of_either_numpy_is_read(published: Path, module: str) -> None:
    rewrite_pickle(
        published,
        lambda data: data.replace(b"cnumpy._core.multiarray\n", f"c{module}\n".encode()).replace(
            b"cnumpy.core.multiarray\n", f"c{module}\n".encode()
        ),
    )
    assert read_checkpoint(published).info.val_auroc == 0.875


@pytest.mark.parametrize(
    "value", [np.array([1.0]), np.int64(3), np.array("now", "datetime64[s]")[()]]
)
def test_no_other_numpy_object_is_read(tmp_path: Path, value: object) -> None:
    path = tmp_path / "numpy.pth"
    torch.save(as_published(filled(), val_auroc=value), path)
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_a_new_head_replaces_the_files_or_a_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "headless.pth"
    for keep_head in (True, False):
        state = {k: v for k, v in filled().items() if keep_head or not k.startswith("dense.")}
        torch.save(state, path)
        model = load_ecgfounder(path, 7, width="tiny", replace_head=True).model
        ours = model.state_dict()
        assert model.dense.out_features == 7
        assert all(torch.equal(ours[k], state[k]) for k in state if not k.startswith("dense."))


def test_every_difference_is_listed(tmp_path: Path) -> None:
    state = filled()
    del state["first_conv.conv.bias"], state["first_bn.weight"]
    state["extra.weight"] = torch.zeros(1)
    state["dense.weight"] = state["dense.weight"][:, :5].clone()
    state["first_bn.bias"] = state["first_bn.bias"].to(torch.int8)
    path = tmp_path / "other.pth"
    torch.save(state, path)
    with pytest.raises(CheckpointError) as caught:
        load_ecgfounder(path, 150, width="tiny", replace_head=False)
    text = str(caught.value)
    assert "missing (2): first_conv.conv.bias, first_bn.weight" in text
    assert "unexpected (1): extra.weight" in text
    assert "dense.weight is float32 150x5, expected float32 150x32" in text
    assert "first_bn.bias is int8 8, expected float32 8" in text
    with pytest.raises(CheckpointError, match=r"missing \(2\)"):
        load_ecgfounder(path, 150, width="tiny", replace_head=True)


def test_another_width_is_refused_in_a_message_one_can_read(published: Path) -> None:
    with pytest.raises(CheckpointError, match=r"and \d+ more") as caught:
        load_ecgfounder(published, 150, replace_head=False)
    assert len(str(caught.value)) < 2000


def test_another_number_of_labels_names_the_remedy(published: Path) -> None:
    with pytest.raises(CheckpointError, match="only the head differs"):
        load_ecgfounder(published, 108, width="tiny", replace_head=False)


def test_a_12_lead_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "12.pth"
    torch.save(as_published(filled(leads=12)), path)
    with pytest.raises(CheckpointError, match=r"is a 12-lead checkpoint .* 1 lead was asked for"):
        load_ecgfounder(path, 150, width="tiny", replace_head=True)
    loaded = load_ecgfounder(path, 150, leads=12, width="tiny", replace_head=False)
    assert same(loaded.model, filled(leads=12))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = filled()
    state["first_conv.conv.weight"][0] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(CheckpointError, match=r"NaN or infinity in 1 tensors: first_conv"):
        load_ecgfounder(tmp_path / "nan.pth", 150, width="tiny", replace_head=False)


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def hostile(marker: Path) -> Iterator[tuple[str, object]]:
    touch = f"touch {marker}"
    yield "posix.system", Call(os.system, touch)
    yield "eval", Call(builtins.eval, f"open({str(marker)!r}, 'w')")
    yield "posix.system", as_published(filled(), val_auroc=Call(os.system, touch))
    yield "posix.system", as_published({**filled(), "x": [{"y": (Call(os.system, touch),)}]})  # type: ignore[dict-item]
    yield "getattr", Call(getattr, Call(builtins.__import__, "os"), "system")


def test_hostile_files_are_refused_and_never_run(tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "hostile.pth"
    writers: list[Callable[[object], object]] = [
        lambda contents: torch.save(contents, path),
        lambda contents: torch.save(contents, path, _use_new_zipfile_serialization=False),
        lambda contents: path.write_bytes(pickle.dumps(contents, 2)),
    ]
    for name, contents in hostile(marker):
        for write in writers:
            write(contents)
            with pytest.raises(CheckpointError) as caught:
                read_checkpoint(path)
            assert not marker.exists()
            assert "weights_only" not in str(caught.value)
        write = writers[0]
        write(contents)
        with pytest.raises(CheckpointError, match=rf"asks to call {name}.*nothing was run"):
            read_checkpoint(path)
    pickle.loads(pickle.dumps(Call(os.system, f"touch {marker}")))
    assert marker.exists()  # the files would have run, had they been unpickled


def test_a_view_that_claims_more_than_is_stored_is_refused(tmp_path: Path) -> None:
    torch.save({"first_conv.conv.weight": torch.zeros(1).expand(8, 10**12, 16)}, tmp_path / "x")
    with pytest.raises(CheckpointError, match="dense tensors only"):
        read_checkpoint(tmp_path / "x")


def test_damaged_files_are_refused(published: Path, tmp_path: Path) -> None:
    whole = published.read_bytes()
    safe = safetensors.torch.save(filled())
    cut = tmp_path / "cut"
    for data in (whole, safe):
        for share in (0.01, 0.3, 0.7, 0.999):
            cut.write_bytes(data[: int(len(data) * share)])
            with pytest.raises(CheckpointError, match=r"bytes\).*Remedy"):
                read_checkpoint(cut)


def test_one_altered_byte_of_a_tensor_is_refused(published: Path) -> None:
    data = bytearray(published.read_bytes())
    place = data.index(filled()["stage_list.1.block_list.0.conv2.conv.weight"].numpy().tobytes())
    data[place + 5] ^= 1
    published.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"is damaged.*Remedy"):
        read_checkpoint(published)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello, this is no checkpoint", "neither a torch checkpoint nor safetensors"),
        (b"<!DOCTYPE html><html></html>", "neither a torch checkpoint nor safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"\x80\x02K\x01.", "neither a torch checkpoint nor safetensors"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{words}.*Remedy"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "contents", [torch.zeros(3), [1, 2], {}, {"state_dict": {}}, {"a": 1}, {3: torch.zeros(1)}]
)
def test_torch_files_that_are_no_state_dict_are_refused(tmp_path: Path, contents: object) -> None:
    torch.save(contents, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"Remedy: save model\.state_dict"):
        read_checkpoint(tmp_path / "x.pth")


def test_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.pth"):
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_checkpoint(path)


def test_what_is_saved_loads_again(tmp_path: Path) -> None:
    model = ecgfounder(3, width="tiny")
    path = tmp_path / "new" / "w.safetensors"
    sha256 = save_weights(path, model, {"run": "a"})
    loaded = load_ecgfounder(path, 3, width="tiny", replace_head=False)
    assert same(loaded.model, model.state_dict())
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["sha256"] == loaded.sha256 == sha256
    assert (sidecar["leads"], sidecar["labels"], sidecar["metadata"]) == (1, 3, {"run": "a"})
    assert sorted(p.name for p in path.parent.iterdir()) == ["w.json", "w.safetensors"]


@pytest.mark.parametrize("breaks_at", [1, 2])
def test_a_write_that_breaks_leaves_no_false_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks_at: int
) -> None:
    path = tmp_path / "w.safetensors"
    first = save_weights(path, ecgfounder(3, width="tiny"), {})
    calls = iter(range(1, 9))
    fsync = os.fsync

    def full(handle: int) -> None:
        if next(calls) == breaks_at:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_weights(path, ecgfounder(3, width="tiny"), {})
    assert read_checkpoint(path).sha256 == first
    assert json.loads(path.with_suffix(".json").read_text())["sha256"] == first
    assert len(list(tmp_path.iterdir())) == 2


def test_killed_between_the_renames_the_weights_stand_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    first = save_weights(path, ecgfounder(3, width="tiny"), {})
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target.suffix == ".json":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_weights(path, ecgfounder(3, width="tiny"), {})
    assert read_checkpoint(path).sha256 != first
    assert not path.with_suffix(".json").exists()


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["weights", *map(str, arguments)])
    return result.exit_code, result.output


def test_inspect_says_what_a_file_is(published: Path) -> None:
    status, text = invoke("inspect", published)
    assert status == 0, text
    rows = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert rows["layout"] == "training checkpoint"
    assert (rows["leads"], rows["labels"], rows["epoch"], rows["step"]) == (
        "1",
        "150",
        "7",
        "12345",
    )
    assert rows["val_auroc"] == "0.875"
    assert rows["sha256"] == hashlib.sha256(published.read_bytes()).hexdigest()
    assert rows["loads"] == "strictly into ECGFounder (1-lead, 150 labels, width tiny)"


def test_inspect_lists_what_does_not_fit(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(2)}, tmp_path / "other.pth")
    status, text = invoke("inspect", tmp_path / "other.pth")
    assert status == 0
    assert "not into ECGFounder (1-lead, 150 labels, width full)" in text
    assert "missing (509): first_conv.conv.weight" in text
    assert "unexpected (1): conv.weight" in text


@pytest.mark.parametrize("labels", [None, 108])
def test_convert_writes_safetensors_and_says_whence(
    published: Path, tmp_path: Path, labels: int | None
) -> None:
    out = tmp_path / "out.safetensors"
    status, text = invoke(
        "convert", published, "--out", out, *(() if labels is None else ("--labels", labels))
    )
    assert status == 0, text
    loaded = load_ecgfounder(out, labels or 150, width="tiny", replace_head=False)
    assert loaded.sha256 in text
    source = json.loads(out.with_suffix(".json").read_text())["metadata"]["source"]
    assert source["sha256"] == hashlib.sha256(published.read_bytes()).hexdigest()
    assert source["val_auroc"] == 0.875
    assert same(loaded.model, filled()) is (labels is None)
    first = out.read_bytes()
    invoke("convert", published, "--out", out, *(() if labels is None else ("--labels", labels)))
    assert out.read_bytes() == first


def test_convert_refuses_other_names_and_its_own_input(published: Path, tmp_path: Path) -> None:
    status, text = invoke("convert", published, "--out", tmp_path / "out.pth")
    assert status == 1
    assert "safetensors only" in text
    status, text = invoke("convert", published, "--out", published)
    assert status == 1
    assert "is" in text
    assert "itself" in text


def rewrite_pickle(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the pickle inside a torch file."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as new:
        for name, data in members.items():
            new.writestr(name, change(data) if name.endswith("data.pkl") else data)
    path.write_bytes(packed.getvalue())
