"""`leadlab cohort`: what it makes, what it says of it, and how it fails."""

import pytest
from click.testing import CliRunner

from leadlab_train.cli_cohort import cohort
from leadlab_train.cohort import Cohort, CohortWriter
from leadlab_train.cohort.summary import summarize
from leadlab_train.errors import CohortError
from leadlab_train.simulated import simulate_cohort

SIZES = {"train": 12, "val": 3, "test": 4}
SIZE_OPTIONS = [word for split, n in SIZES.items() for word in (f"--{split}-patients", str(n))]


def invoke(*arguments: object) -> tuple[int, str]:
    """Run the command wide enough that no table folds; its own errors come through."""
    result = CliRunner().invoke(
        cohort, list(map(str, arguments)), env={"COLUMNS": "120"}, catch_exceptions=True
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cohort made by the command, and what the command said."""
    folder = tmp_path_factory.mktemp("cli") / "cohort"
    status, said = invoke("simulate", folder, *SIZE_OPTIONS, "--seed", 3, "--strength", "0.5")
    assert status == 0, said
    return Cohort.open(folder), said


def test_simulate_makes_what_the_options_say(made, tmp_path):
    opened, said = made
    direct = simulate_cohort(tmp_path / "c", patients=SIZES, strength=0.5, seed=3)
    assert opened.manifest.content_sha256 == direct.manifest.content_sha256
    assert said.startswith("Simulated: ")
    assert f"{sum(SIZES.values())} patients" in said
    assert f"{len(opened)} windows" in said
    assert opened.manifest.content_sha256 in said
    assert f"leadlab cohort show {opened.path}" in said


def test_simulate_follows_a_recipe_where_no_option_says_otherwise(tmp_path):
    from leadlab_train.recipe import load_recipe

    recipe = load_recipe("quick").cohort
    assert recipe is not None
    status, said = invoke("simulate", tmp_path / "c", "--recipe", "quick", "--train-patients", 5)
    assert status == 0, said
    summaries = {s.split: s.patients for s in summarize(Cohort.open(tmp_path / "c"))}
    assert summaries == {"train": 5, "val": recipe.val_patients, "test": recipe.test_patients}


def test_show_says_what_it_is(made):
    opened, _ = made
    status, said = invoke("show", opened.path)
    assert status == 0
    assert "Simulated: every patient" in said
    assert opened.manifest.content_sha256 in said
    assert "lead II, 500 Hz, 10 s windows" in said
    assert "108 indicators of 66 analytes" in said
    lines = [line.split() for line in said.splitlines()]
    assert ["strength", "0.5"] in lines
    for s in summarize(opened):
        counts = [s.split, str(s.patients), str(s.visits), str(s.draws), str(s.windows)]
        assert [*counts, f"{s.ecg_h:.1f}"] in lines
    assert [line[0] for line in lines if line and line[0] in opened.panel.names] == list(
        opened.panel.names
    )
    s = summarize(opened)[0]
    i = opened.panel.index("potassium_high")
    row = next(line for line in lines if line and line[0] == "potassium_high")
    assert row[1:4] == [f"{s.coverage[i]:.1%}", "|", str(s.positive_patients[i])]


def test_summaries_count_patients_not_draws(made):
    opened, _ = made
    split_of = opened.patients["split"].to_list()
    for s in summarize(opened):
        draws = [d for d, p in enumerate(opened.draws["patient"]) if split_of[p] == s.split]
        assert s.draws == len(draws)
        for i in range(len(opened.panel)):
            labels = opened.labels[draws, i]
            positive = {opened.draws["patient"][d] for d in draws if opened.labels[d, i] == 1}
            assert s.positive_patients[i] == len(positive)
            assert s.coverage[i] == pytest.approx((labels >= 0).mean())
    assert sum(s.windows for s in summarize(opened)) == len(opened)
    seconds = opened.strips["length"].sum() / 500
    assert sum(s.ecg_h for s in summarize(opened)) == pytest.approx(seconds / 3600)


def test_show_of_recorded_data_does_not_say_simulated_and_prints_its_words_as_they_are(
    made, tmp_path
):
    source = "ward [bold]7[/]"
    settings = {"lead": "II", "rate_hz": 500, "simulated": False}
    tables = {name: getattr(made[0], name) for name in ("patients", "draws", "strips", "windows")}
    with CohortWriter(
        tmp_path / "c", made[0].panel, **settings, provenance={"source": source}
    ) as writer:
        for _ in range(len(made[0].strips)):
            writer.add_strip(made[0].labels[0].repeat(60).astype("int16"))
        writer.finish(**tables, labels=made[0].labels)
    status, said = invoke("show", tmp_path / "c")
    assert status == 0
    assert "Not simulated" in said
    assert "Simulated: " not in said
    assert source in said


def test_verify_finds_a_changed_sample_that_open_does_not(made, tmp_path):
    status, said = invoke("show", made[0].path, "--verify")
    assert status == 0
    assert "Every file matches" in said
    simulate_cohort(tmp_path / "c", patients=SIZES)
    with (tmp_path / "c" / "strips-00000.npy").open("r+b") as file:
        file.seek(5000)
        file.write(b"\x7f")
    assert invoke("show", tmp_path / "c")[0] == 0
    with pytest.raises(CohortError, match="was altered"):
        invoke("show", tmp_path / "c", "--verify")


def test_an_existing_folder_is_left_alone(made):
    with pytest.raises(CohortError, match="exists already"):
        invoke("simulate", made[0].path, *SIZE_OPTIONS)


def test_show_of_what_is_no_cohort(tmp_path):
    with pytest.raises(CohortError, match="no cohort"):
        invoke("show", tmp_path)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--train-patients", "0", "x>=1"),
        ("--strength", "-2", "x>=-1"),
        ("--seed", "-1", "x>=0"),
        ("--patients", "5", "No such option"),
    ],
)
def test_options_outside_their_range(tmp_path, option, value, says):
    status, said = invoke("simulate", tmp_path / "c", option, value)
    assert status == 2
    assert says in said
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("verb", [[], ["simulate"], ["show"]])
def test_help_teaches(verb):
    status, text = invoke(*verb, "--help")
    assert status == 0
    assert "Options:" in text
    assert not verb or f"leadlab cohort {verb[0]} " in text
