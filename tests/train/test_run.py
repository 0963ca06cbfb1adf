"""A run directory: everything in it is there and true, and the test patients had no part in it."""

import json
import platform
import shutil
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from matplotlib.image import imread
from tiny_run import RECIPES, SETTLED, logged, records, shown, tensors, tiny_cohort

from leadlab_edge.config import load_settings
from leadlab_edge.errors import ConfigError
from leadlab_edge.signal import ecgfounder_v1
from leadlab_train.augment import Augmentation
from leadlab_train.checkpoint import read_checkpoint, save_weights
from leadlab_train.cohort import Cohort, TrainingCohort
from leadlab_train.cohort.manifest import hash_file, read_manifest
from leadlab_train.cohort.writer import shard_name
from leadlab_train.errors import CohortError, TrainingError
from leadlab_train.inputs import TrainingInputs
from leadlab_train.learner import Learner
from leadlab_train.loss import NOT_MEASURED
from leadlab_train.net1d import ecgfounder
from leadlab_train.recipe import Recipe, load_recipe, shipped_recipes
from leadlab_train.run import Options, train
from leadlab_train.run.curves import draw_curves
from leadlab_train.run.folder import _toml
from leadlab_train.run.selection import Selection
from leadlab_train.windows import DrawnWindows

LOGGED = Options(log_steps=2)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return tiny_cohort(tmp_path_factory.mktemp("run") / "cohort")


@pytest.fixture(scope="module")
def done(cohort, tmp_path_factory) -> Path:
    """Return a finished run, curves and all."""
    folder = tmp_path_factory.mktemp("done") / "run"
    outcome = train(SETTLED, cohort, folder, options=LOGGED)
    assert outcome.progress.finished
    assert outcome.folder == folder
    return folder


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Draw none but those of the run of the module, which begins before."""
    monkeypatch.setattr("leadlab_train.run.loop.draw_curves", lambda *_: None)


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(path)


def test_the_folder_holds_what_it_should_and_nothing_else(done):
    names = {path.name.split(".tfevents")[0] for path in done.iterdir()}
    assert names == {
        *("run.json", "recipe.toml", "metrics.jsonl", "events.out", "curves.png"),
        *("best.safetensors", "best.json", "last.safetensors", "lock", "prepared"),
    }
    assert not list((done / "prepared").glob("*.partial"))


@pytest.mark.parametrize("recipe", [*RECIPES.values(), *map(load_recipe, shipped_recipes())])
def test_a_resolved_recipe_is_the_recipe(recipe, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("\n".join(_toml(asdict(recipe))))
    assert load_recipe(path) == recipe


def test_the_record_is_true(done, cohort):
    assert load_recipe(done / "recipe.toml") == SETTLED
    record = json.loads((done / "run.json").read_text())
    assert record["asked"]["cohort_sha256"] == cohort.manifest.content_sha256
    assert record["asked"]["weights_sha256"] is None
    assert record["asked"]["simulated"] is True
    (start,) = record["starts"]
    assert start["step"] == 0
    assert start["software"]["python"] == platform.python_version()
    for name in ("leadlab", "torch", "numpy", "scipy"):
        assert start["software"][name] == version(name)
    assert start["machine"]["device"] == "cpu"


def test_best_says_what_it_is(done, cohort):
    about = json.loads((done / "best.json").read_text())
    validated = [r for r in records(done) if "val_auroc" in r]
    best = max(validated, key=lambda r: r["val_auroc"])
    assert about["sha256"] == read_checkpoint(done / "best.safetensors").sha256
    assert about["leads"] == 1
    assert about["labels"] == len(cohort.panel)
    told = about["metadata"]
    assert told["step"] == best["step"]
    assert told["val_auroc"] == best["val_auroc"]
    assert told["indicators"] == list(cohort.panel.names)
    assert told["cohort_sha256"] == cohort.manifest.content_sha256
    assert told["simulated"] is True
    assert (told["width"], told["batch_norm"], told["lead"]) == ("tiny", True, "II")


def test_the_log_has_every_record_and_tensorboard_shows_it(done):
    lines = records(done)
    assert [r["step"] for r in lines if "loss" in r] == [2, 4, 6, 8, 10, 12, 14, 15]
    assert [r["step"] for r in lines if "val_auroc" in r] == [3, 6, 9, 12, 15]
    assert [r["step"] for r in lines] == sorted(r["step"] for r in lines)
    assert lines[0]["learning_rate"] == SETTLED.fit.learning_rate_at(1)
    assert all(r["gradient"] > 0 for r in lines if "loss" in r)
    assert shown(done) == logged(done)


def test_the_curves_show_something(done):
    image = imread(done / "curves.png")[..., :3]
    assert image.shape[0] > 300
    assert image.shape[1] > 900
    for half in np.array_split(image, 2, axis=1):
        blue = np.abs(half - np.array([0x1F, 0x6F, 0x8B]) / 255).max(-1) < 0.05
        assert np.count_nonzero(blue.any(axis=0)) > 100, "no line runs across"
        assert np.count_nonzero(blue.any(axis=1)) > 20, "a line without ups and downs"


def test_curves_can_be_drawn_before_the_first_record(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 3, "val_auroc": 0.5, "best": true}\n')
    draw_curves(tmp_path, "early")
    assert imread(tmp_path / "curves.png").shape[1] > 900


def test_rate_of_windows_leaves_validation_out(cohort, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("leadlab_train.run.loop.time.monotonic", lambda: clock[0])
    slow_down(monkeypatch, Learner, "step", clock, 1.0)
    slow_down(monkeypatch, Selection, "score", clock, 1000.0)
    train(SETTLED, cohort, tmp_path / "run", options=LOGGED)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rates = [r["windows_per_s"] for r in map(json.loads, lines) if "loss" in r]
    assert rates == [8.0] * len(rates)  # 8 windows a step, 1 s each


def slow_down(monkeypatch, owner, name, clock, seconds) -> None:
    whole = getattr(owner, name)

    def slow(*args, **kwargs):
        clock[0] += seconds
        return whole(*args, **kwargs)

    monkeypatch.setattr(owner, name, slow)


# Selection


def by_hand(cohort: Cohort, path: Path, least: int) -> float:
    """Macro AUROC of a file of weights on the validation patients, pair by pair."""
    rows = cohort.rows("val")
    model = ecgfounder(len(cohort.panel), width="tiny", batch_norm=True)
    model.load_state_dict(weights_of(path))
    with torch.inference_mode():
        x = torch.from_numpy(ecgfounder_v1(cohort.read_mv(rows)).astype(np.float16)).float()
        scores = model.eval()(x.unsqueeze(1)).numpy()
    labels, patients = cohort.labels[cohort.draw_of(rows)], cohort.patient_of(rows)
    values = []
    for score, label in zip(scores.T, labels.T, strict=True):
        if min(len(set(patients[label == value])) for value in (0, 1)) >= least:
            pairs = score[label == 1][:, None] - score[label == 0]
            values.append(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    return float(np.mean(values))


def test_best_is_the_best_on_validation_patients(done, cohort):
    best = max(r["val_auroc"] for r in records(done) if "val_auroc" in r)
    assert by_hand(cohort, done / "best.safetensors", 2) == pytest.approx(best, abs=1e-4)


def test_of_weights_that_get_worse_the_best_are_kept(cohort, tmp_path):
    wild = replace(SETTLED.fit, learning_rate=3.0, schedule="constant", warmup_steps=13, steps=12)
    outcome = train(replace(SETTLED, fit=wild), cohort, tmp_path / "run", options=LOGGED)
    validated = {r["step"]: r["val_auroc"] for r in records(tmp_path / "run") if "val_auroc" in r}
    assert outcome.progress.best_step == max(validated, key=validated.__getitem__)
    found = by_hand(cohort, tmp_path / "run" / "best.safetensors", 2)
    assert found == pytest.approx(max(validated.values()), abs=1e-4)


@pytest.mark.parametrize(
    ("patience", "scores", "steps", "best"),
    [
        (0, [0.5, 0.7, 0.6, 0.7, 0.4], 15, 6),  # a tie keeps the earlier
        (2, [0.5, 0.7, 0.6, 0.7], 12, 6),
        (2, [0.5, 0.4, 0.6, 0.4, 0.7], 15, 15),
        (1, [0.5, 0.4], 6, 3),
    ],
)
def test_early_stopping(patience, scores, steps, best, cohort, tmp_path, monkeypatch):
    seen, left = {}, iter(scores)

    def score(_, model, **__):
        seen[len(seen) * 3 + 3] = {k: v.clone() for k, v in model.state_dict().items()}
        return next(left)

    monkeypatch.setattr(Selection, "score", score)
    recipe = replace(SETTLED, select=replace(SETTLED.select, patience=patience))
    outcome = train(recipe, cohort, tmp_path / "run")
    assert (outcome.progress.step, outcome.progress.best_step) == (steps, best)
    assert outcome.progress.finished
    assert outcome.model is not None
    for state in (weights_of(tmp_path / "run" / "best.safetensors"), outcome.model.state_dict()):
        assert all(torch.equal(state[k], v) for k, v in seen[best].items())
    assert not outcome.model.training
    again = train(recipe, cohort, tmp_path / "run")  # and stays stopped
    assert again.progress == outcome.progress


def test_without_selection_the_last_weights_are_kept(cohort, tmp_path):
    recipe = replace(SETTLED, select=None)
    outcome = train(recipe, cohort, tmp_path / "run")
    assert outcome.progress.best_step == 15
    last = weights_of(tmp_path / "run" / "last.safetensors")
    for name, tensor in weights_of(tmp_path / "run" / "best.safetensors").items():
        assert torch.equal(tensor, last[f"model/{name}"])


@pytest.mark.parametrize("least", [1, 3, 6])
def test_indicators_count_with_enough_patients_of_both_classes(
    least, cohort, tmp_path, monkeypatch
):
    found = []
    monkeypatch.setattr(
        Selection, "score", lambda self, *_, **__: found.append(self.counted) or 0.5
    )
    select = replace(SETTLED.select, min_positive_patients=least)
    train(replace(SETTLED, select=select), cohort, tmp_path / "run")
    rows = cohort.rows("val")
    labels, patients = cohort.labels[cohort.draw_of(rows)], cohort.patient_of(rows)
    expected = [
        all(
            len({p for p, v in zip(patients, column, strict=True) if v == c}) >= least
            for c in (0, 1)
        )
        for column in labels.T
    ]
    assert 0 < sum(expected) < len(expected)
    assert found[0].tolist() == expected


def test_too_few_validation_patients_are_named(cohort, tmp_path):
    select = replace(SETTLED.select, min_positive_patients=25)
    with pytest.raises(TrainingError, match=r"no indicator has 25 validation.*24 patients; lower"):
        train(replace(SETTLED, select=select), cohort, tmp_path / "run")


# What learns


def test_averaged_weights_are_validated_and_kept(cohort, tmp_path, monkeypatch):
    trail, step, scored = [], Learner.step, []

    def watched(learner, *args):
        result = step(learner, *args)
        trail.append({k: v.detach().double().clone() for k, v in learner.model.named_parameters()})
        return result

    def score(_, model, **__):
        scored.append({k: v.clone() for k, v in model.named_parameters()})
        return len(scored) / 10

    monkeypatch.setattr(Learner, "step", watched)
    monkeypatch.setattr(Selection, "score", score)
    train(replace(SETTLED, fit=replace(SETTLED.fit, average=0.8)), cohort, tmp_path / "run")
    average = trail[0]
    for weights in trail[1:]:
        average = {k: 0.8 * average[k] + 0.2 * weights[k] for k in average}
    kept = weights_of(tmp_path / "run" / "best.safetensors")
    for name, expected in average.items():
        assert torch.allclose(kept[name].double(), expected, rtol=1e-4, atol=1e-6), name
        assert torch.equal(kept[name], scored[-1][name])
    assert any(not torch.equal(kept[k].double(), trail[-1][k]) for k in kept if k in trail[-1])


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_linear_probe_changes_the_head_alone(batch_norm, cohort, tmp_path):
    model = replace(SETTLED.model, trains="head", batch_norm=batch_norm)
    start = None
    torch.manual_seed(1)
    pretrained = ecgfounder(7, width="tiny")
    if not batch_norm:
        save_weights(tmp_path / "start.safetensors", pretrained, {})
        start = read_checkpoint(tmp_path / "start.safetensors")
    recipe = replace(SETTLED, model=model)
    short = replace(recipe, fit=replace(SETTLED.fit, steps=1, learning_rate=0.0))
    train(short, cohort, tmp_path / "before", weights=start)
    train(recipe, cohort, tmp_path / "after", weights=start)
    before = weights_of(tmp_path / "before" / "last.safetensors")
    after = weights_of(tmp_path / "after" / "last.safetensors")
    states = [k for k in before if k.startswith("model/")]
    changed = {k for k in states if not torch.equal(before[k], after[k])}
    assert changed == {"model/dense.weight", "model/dense.bias"}
    if start is not None:
        for name, tensor in pretrained.state_dict().items():
            assert name.startswith("dense.") or torch.equal(after[f"model/{name}"], tensor)


def test_pretrained_weights_are_where_training_starts(cohort, tmp_path):
    torch.manual_seed(1)
    pretrained = ecgfounder(7, width="tiny")
    save_weights(tmp_path / "start.safetensors", pretrained, {})
    start = read_checkpoint(tmp_path / "start.safetensors")
    plain = replace(SETTLED, model=replace(SETTLED.model, batch_norm=False))
    still = replace(plain, fit=replace(SETTLED.fit, steps=1, learning_rate=0.0))
    train(still, cohort, tmp_path / "run", weights=start)
    for name, tensor in weights_of(tmp_path / "run" / "best.safetensors").items():
        assert name.startswith("dense.") or torch.equal(tensor, pretrained.state_dict()[name])
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["asked"]["weights_sha256"] == start.sha256
    with pytest.raises(TrainingError, match="batch_norm is true; published weights"):
        train(SETTLED, cohort, tmp_path / "other", weights=start)


def test_lower_layers_learn_more_slowly(cohort, tmp_path):
    fit = replace(
        SETTLED.fit, steps=1, warmup_steps=0, weight_decay=0.0, layer_decay=0.5, learning_rate=0.01
    )
    base = replace(SETTLED, model=replace(SETTLED.model, batch_norm=False), select=None)
    train(replace(base, fit=replace(fit, learning_rate=0.0)), cohort, tmp_path / "before")
    train(replace(base, fit=fit), cohort, tmp_path / "after")
    before = weights_of(tmp_path / "before" / "best.safetensors")
    after = weights_of(tmp_path / "after" / "best.safetensors")
    # The first step of Adam moves each weight with a gradient by the rate, whatever the gradient.
    largest = {k: float((after[k] - before[k]).abs().max()) for k in before if k.endswith("weight")}
    for start, layers_above in {
        "dense.": 0,
        "stage_list.1.block_list.0.": 1,
        "stage_list.0.block_list.0.": 2,
        "first_conv.": 3,
    }.items():
        moved = max(v for k, v in largest.items() if k.startswith(start))
        assert moved == pytest.approx(0.01 * 0.5**layers_above, rel=0.01)


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_the_loss_of_a_step_by_hand(balance, cohort, tmp_path, monkeypatch):
    caught, step = [], Learner.step

    def watched(learner, batch, loss_of):
        with torch.no_grad():
            learner.model.eval()
            caught.append((learner.model(batch.x).double(), batch.labels))
            learner.model.train()
        return step(learner, batch, loss_of)

    monkeypatch.setattr(Learner, "step", watched)
    recipe = replace(
        SETTLED,
        fit=replace(SETTLED.fit, steps=2),
        model=replace(SETTLED.model, batch_norm=False),
        indicator_balance=balance,
        select=None,
    )
    train(recipe, cohort, tmp_path / "run", options=replace(LOGGED, log_steps=1))
    counts = (cohort.labels[cohort.draw_of(cohort.rows("train"))] != NOT_MEASURED).sum(0)
    for record, (logits, labels) in zip(records(tmp_path / "run"), caught, strict=True):
        total = weight = 0.0
        for i, j in np.argwhere(labels.numpy() != NOT_MEASURED):
            p = torch.sigmoid(logits[i, j] if labels[i, j] else -logits[i, j])
            w = 1 / counts[j] ** balance
            total, weight = total - w * float(p.log()), weight + w
        assert record["loss"] == pytest.approx(total / weight, rel=1e-5)


# Windows


def test_every_window_is_seen_once_an_epoch_and_never_a_test_patients(
    cohort, tmp_path, monkeypatch
):
    read, whole = [], TrainingCohort.read_mv

    def watched(self, strips, starts, n_samples=None):
        read.append(np.asarray(strips))
        return whole(self, strips, starts, n_samples)

    monkeypatch.setattr(TrainingCohort, "read_mv", watched)
    recipe = replace(SETTLED, windows=replace(SETTLED.windows, prepare=False), select=None)
    train(recipe, cohort, tmp_path / "run")
    train_strips = cohort.windows["strip"].to_numpy()[cohort.rows("train")]
    assert not (tmp_path / "run" / "prepared").exists()
    for epoch in range(3):
        seen = np.concatenate(read[5 * epoch : 5 * epoch + 5])
        assert len(seen) == len(set(seen)) == 40
        assert set(seen) <= set(train_strips)


def test_what_a_window_undergoes_does_not_tell_where_it_lies(cohort, monkeypatch):
    seen = TrainingCohort(cohort)
    plan = DrawnWindows(seen, "train", 1, 3600.0, seed=3, fresh=True)
    windows, spans = plan.windows(2), seen.around(seen.draws("train"), 3600.0)
    begin, end = (
        np.array([part[spans.strip == s][0] for s in windows.strip])
        for part in (spans.first, spans.last)
    )
    place = (windows.start - begin) / (end - begin)
    first: list[float] = []

    def spy(_, raw_mv, __, rngs):
        first.extend(rng.random() for rng in rngs)
        return raw_mv

    monkeypatch.setattr(Augmentation, "__call__", spy)
    inputs = TrainingInputs(seen, windows, Augmentation(flip_share=0.5), (3, 2))
    assert len(inputs[:]) == len(first) > 20
    assert abs(np.corrcoef(place, first)[0, 1]) < 0.6


# The test split


def with_other_test_patients(cohort: Cohort, path: Path) -> Cohort:
    """Copy a cohort with other samples and labels of its test patients, and honest hashes."""
    shutil.copytree(cohort.path, path)
    manifest = read_manifest(path)
    test = set(cohort.patients.filter(cohort.patients["split"] == "test")["patient"])
    samples = np.load(path / shard_name(0))
    for strip in cohort.strips.iter_rows(named=True):
        if strip["patient"] in test:
            samples[strip["offset"] : strip["offset"] + strip["length"]] = 32767
    labels = np.load(path / "labels.npy")
    rows = cohort.draws["patient"].is_in(list(test)).to_numpy()
    labels[rows] = 1 - labels[rows]
    np.save(path / shard_name(0), samples)
    np.save(path / "labels.npy", labels)
    files = {name: hash_file(path / name) for name in manifest.files}
    replace(manifest, files=files).write(path)
    return Cohort.open(path)


@pytest.mark.parametrize("name", RECIPES)
def test_other_test_patients_change_no_bit_of_the_weights(name, cohort, tmp_path):
    other = with_other_test_patients(cohort, tmp_path / "cohort")
    other.verify()
    assert other.manifest.content_sha256 != cohort.manifest.content_sha256
    for number, used in enumerate((cohort, other)):
        train(RECIPES[name], used, tmp_path / f"{number}", options=LOGGED)
    assert records(tmp_path / "0") == records(tmp_path / "1")
    for file in ("best.safetensors", "last.safetensors"):
        assert tensors(tmp_path / "0" / file) == tensors(tmp_path / "1" / file)


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_asks_for_a_test_patient(name, cohort, tmp_path, monkeypatch):
    test = cohort.patients["patient"].to_numpy()[cohort.patients["split"] == "test"]
    hidden = np.isin(cohort.strips["patient"].to_numpy(), test)
    read, rows = Cohort.read_at_mv, Cohort.rows

    def read_watched(self, strips, starts, n_samples=None):
        assert not hidden[np.asarray(strips)].any()
        return read(self, strips, starts, n_samples)

    def rows_watched(self, split):
        assert split != "test"
        return rows(self, split)

    def refuse(*_, **__):
        raise AssertionError("training read windows of the whole cohort")

    monkeypatch.setattr(Cohort, "read_at_mv", read_watched)
    monkeypatch.setattr(Cohort, "rows", rows_watched)
    monkeypatch.setattr(Cohort, "read_mv", refuse)
    monkeypatch.setattr(cohort, "truth", None)
    assert train(RECIPES[name], cohort, tmp_path / "run").progress.finished


def test_a_plan_of_the_test_split_is_refused(cohort):
    seen = TrainingCohort(cohort)
    with pytest.raises(CohortError, match="'train' and 'val' only"):
        DrawnWindows(seen, "test", 1, 3600.0)
    strip = cohort.windows["strip"].to_numpy()[cohort.rows("test")[:1]]
    with pytest.raises(CohortError, match="test split"):
        seen.read_mv(strip, [0])


# Recipes that cannot be trained


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"windows": {"batch": 500}}, r"batch of 500 exceeds the 4\d training windows"),
        ({"windows": {"per_draw": 1, "within_s": 10.0}}, r"no blood draw .* within 10 s"),
    ],
)
def test_a_recipe_that_does_not_fit_the_cohort(changed, message, cohort, tmp_path):
    parts = {k: replace(getattr(SETTLED, k), **v) for k, v in changed.items()}
    with pytest.raises(TrainingError, match=message):
        train(replace(SETTLED, **parts), cohort, tmp_path / "run")
    # and does not stand in the way of one that does
    assert train(replace(SETTLED, select=None), cohort, tmp_path / "run").progress.finished


def test_recipes_that_contradict_themselves_are_refused():
    whole = {"windows": {"batch": 8}, "fit": {"learning_rate": 0.1, "steps": 3}}
    assert load_settings(Recipe, whole).select is None
    for part, change in (
        ("fit", {"epochs": 2}),
        ("fit", {"learning_rate": -1.0}),
        ("windows", {"batch": 0}),
        ("select", {}),
        ("select", {"every_steps": 1, "every_epochs": 1}),
        ("model", {"width": "huge"}),
        ("nothing", {}),
    ):
        table = {**whole, part: {**whole.get(part, {}), **change}}
        with pytest.raises(ConfigError):
            load_settings(Recipe, table)


def test_epochs_are_whole_passes(cohort, tmp_path):
    fit = replace(SETTLED.fit, steps=None, epochs=2)
    select = replace(SETTLED.select, every_steps=None, every_epochs=1)
    outcome = train(replace(SETTLED, fit=fit, select=select), cohort, tmp_path / "run")
    assert outcome.progress.step == 10
    assert [r["step"] for r in records(tmp_path / "run") if "val_auroc" in r] == [5, 10]
