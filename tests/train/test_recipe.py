"""Recipes: strict, complete, and with a reason beside every setting."""

from pathlib import Path

import pytest

from leadlab_edge.errors import ConfigError
from leadlab_train.recipe import load_recipe, shipped_recipes

FOLDER = Path(__file__).parents[2] / "train" / "leadlab_train" / "recipes"


def test_shipped_recipes_load() -> None:
    assert set(shipped_recipes()) == {"anyecg_lab", "demo", "finetune", "full_width", "quick"}
    recipes = {name: load_recipe(name) for name in shipped_recipes()}
    demo, quick = recipes["demo"].cohort, recipes["quick"].cohort
    assert demo is not None
    assert quick is not None
    assert demo.strength == 0.0
    assert demo.test_patients >= 1500
    assert demo.patients["train"] > quick.patients["train"]


def test_the_study_is_what_the_paper_says() -> None:
    study = load_recipe("anyecg_lab")
    assert study.cohort is None
    assert study.model.width == "full"
    assert study.model.trains == "all"
    assert not study.model.batch_norm
    assert (study.windows.batch, study.windows.per_draw, study.windows.within_s) == (256, 200, 3600)
    assert (study.windows.crop_s, study.windows.fresh) == (10.0, False)
    assert (study.fit.learning_rate, study.fit.epochs, study.fit.schedule) == (1e-4, 20, "constant")
    assert not study.augment.active
    assert study.indicator_balance == 0.0


def test_every_augmentation_of_the_fine_tuning_recipe_has_its_reason() -> None:
    recipe = load_recipe("finetune")
    assert recipe.augment.active
    lines = (FOLDER / "finetune.toml").read_text().split("[augment]")[1].split("[")[0].splitlines()
    shares = [line for line in lines if "_share" in line]
    assert len(shares) == 9
    assert all("#" in line for line in shares)


@pytest.mark.parametrize(
    ("written", "misspelt", "message"),
    [
        ("steps = 20", "step = 20", "fit.step is not a known name; did you mean steps"),
        ("steps = 20", "steps = 20\nepochs = 2", "steps is 20 and epochs is 2; give one"),
        ('"tiny"', '"tinny"', "model.width is 'tinny'; .* did you mean tiny"),
        ("batch = 32", "batch = 0", "windows.batch is 0; it must be at least 1"),
        ("every_steps = 10", "", "every_steps is None and every_epochs is None; give one"),
    ],
)
def test_a_recipe_with_a_slip_is_refused(
    tmp_path: Path, written: str, misspelt: str, message: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((FOLDER / "quick.toml").read_text().replace(written, misspelt, 1))
    with pytest.raises(ConfigError, match=message):
        load_recipe(path)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_recipe("nowhere")
