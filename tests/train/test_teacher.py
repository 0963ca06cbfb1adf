"""Recipes, and a teacher from a cohort on disk to scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from leadlab_edge.errors import ConfigError
from leadlab_train.cohort import Cohort
from leadlab_train.inputs import CohortInputs
from leadlab_train.loss import prior_logits
from leadlab_train.net1d import WIDTHS
from leadlab_train.predict import predict
from leadlab_train.recipe import load_recipe
from leadlab_train.simulated import simulate_cohort
from leadlab_train.teacher import fit_teacher


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("teacher") / "cohort"
    return simulate_cohort(folder, patients={"train": 40, "val": 1, "test": 8})


def test_shipped_recipes_load() -> None:
    demo, quick = load_recipe("demo"), load_recipe("quick")
    assert demo.cohort.strength == 0.0
    assert demo.cohort.test_patients >= 1500
    assert demo.cohort.patients["train"] > quick.cohort.patients["train"]
    assert demo.teacher.width in WIDTHS


@pytest.mark.parametrize(
    ("written", "misspelt", "message"),
    [
        ("steps = 20", "step = 20", "teacher.fit.step is not a known name; did you mean steps"),
        ('"tiny"', '"tinny"', "teacher.width is 'tinny'; .* did you mean tiny"),
        ("batch = 32", "batch = 0", "teacher.batch is 0; it must be at least 1"),
    ],
)
def test_a_recipe_with_a_slip_is_refused(
    tmp_path: Path, written: str, misspelt: str, message: str
) -> None:
    shipped = Path(__file__).parents[2] / "train" / "leadlab_train" / "recipes" / "quick.toml"
    path = tmp_path / "mine.toml"
    path.write_text(shipped.read_text().replace(written, misspelt))
    with pytest.raises(ConfigError, match=message):
        load_recipe(path)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_recipe("nowhere")


def test_inputs_are_the_same_in_memory_and_on_demand(cohort: Cohort) -> None:
    rows = cohort.rows("train")
    on_demand = CohortInputs(cohort, rows)
    seen: list[tuple[int, int]] = []
    in_memory = on_demand.in_memory(lambda done, n: seen.append((done, n)))
    assert in_memory.shape == (len(rows), 5000)
    assert in_memory.dtype == np.float16
    assert seen == [(len(rows), len(rows))]
    some = np.array([3, 0, 5])
    np.testing.assert_allclose(on_demand[some], in_memory[some], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(on_demand[some].std(axis=1), 1, atol=1e-5)


def test_a_teacher_is_exact_and_leaves_the_global_seed_alone(cohort: Cohort) -> None:
    rows = cohort.rows("train")
    inputs = CohortInputs(cohort, rows).in_memory()
    labels = cohort.labels[cohort.draw_of(rows)]
    recipe = load_recipe("quick").teacher
    recipe = replace(recipe, fit=replace(recipe.fit, steps=3))
    before = torch.get_rng_state()
    first, again = (fit_teacher(inputs, labels, recipe) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert first.record.losses == again.record.losses
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name
    assert first.record.losses[0] < 0.6  # chance is .69; prevalence alone reaches less
    logits = predict(first.model, CohortInputs(cohort, cohort.rows("test")))
    assert logits.shape == (len(cohort.rows("test")), len(cohort.panel))
    assert np.corrcoef(logits.mean(axis=0), prior_logits(labels))[0, 1] > 0.9
