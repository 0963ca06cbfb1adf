"""The simulated cohort: complete where it scores, gappy where it trains, equal for equal seeds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from leadlab_train.cohort import Cohort, CohortWriter
from leadlab_train.errors import CohortError
from leadlab_train.panel import load_panel
from leadlab_train.simulated import ceilings, oracle_scores, simulate_cohort
from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.oracle import parameters
from leadlab_train.simulated.physiology import build_physiology
from leadlab_train.simulated.population import (
    DEFAULT_VISITING,
    Visiting,
    draw_population,
    place_strips,
)

SIZES = {"train": 60, "val": 10, "test": 30}
PANEL = load_panel()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return simulate_cohort(tmp_path_factory.mktemp("simulated") / "cohort", patients=SIZES, seed=4)


@pytest.fixture(scope="module")
def population():
    return draw_population(
        build_physiology(PANEL), 8000, DEFAULT_VISITING, np.random.default_rng(2)
    )


def test_it_says_that_it_is_simulated(cohort):
    assert cohort.simulated
    assert (cohort.rate_hz, cohort.lead, cohort.n_samples) == (500.0, "II", 5000)
    assert cohort.manifest.provenance["seed"] == 4
    assert cohort.panel.indicators == PANEL.indicators


def test_splits_share_no_patient(cohort):
    patients = {split: set(cohort.patient_of(cohort.rows(split)).tolist()) for split in SIZES}
    assert {split: len(members) for split, members in patients.items()} == SIZES
    assert len(set.union(*patients.values())) == sum(SIZES.values())


def test_windows_with_margins_look_like_ecg(cohort):
    windows = cohort.read_mv(np.arange(len(cohort)), margin_s=1.2)
    assert windows.shape == (len(cohort), 6200)
    assert 0.3 < np.median(windows.max(axis=1)) < 2.0
    assert np.abs(windows).max() < 10


def test_labels_have_gaps_in_training_and_none_in_test(cohort):
    for split in ("train", "val", "test"):
        draws = np.unique(cohort.draw_of(cohort.rows(split)))
        seen, truth = cohort.labels[draws], cohort.truth[draws]
        share = (seen >= 0).mean()
        assert share == 1 if split == "test" else 0.5 < share < 0.8
        np.testing.assert_array_equal(seen[seen >= 0], truth[seen >= 0])


def test_equal_seeds_give_equal_cohorts(cohort, tmp_path):
    again = simulate_cohort(tmp_path / "again", patients=SIZES, seed=4)
    other = simulate_cohort(tmp_path / "other", patients=SIZES, seed=5)
    assert again.manifest.content_sha256 == cohort.manifest.content_sha256
    assert other.manifest.content_sha256 != cohort.manifest.content_sha256


def test_more_training_patients_leave_the_test_patients_alone(cohort, tmp_path):
    larger = simulate_cohort(tmp_path / "larger", patients={**SIZES, "train": 90}, seed=4)
    rows, larger_rows = cohort.rows("test"), larger.rows("test")
    np.testing.assert_array_equal(cohort.read_mv(rows), larger.read_mv(larger_rows))
    np.testing.assert_array_equal(
        cohort.truth[cohort.draw_of(rows)], larger.truth[larger.draw_of(larger_rows)]
    )
    assert cohort.strips["time"][rows].to_list() == larger.strips["time"][larger_rows].to_list()


def test_strips_lie_within_an_hour_of_their_draw_on_both_sides(cohort):
    own = cohort.draws["time"][cohort.draw_of(np.arange(len(cohort)))]
    start_s = (cohort.strips["time"] - own).dt.total_microseconds().to_numpy() / 1e6
    assert start_s.min() >= -3600
    assert start_s.max() <= 3600 - 12.4
    assert 0.3 < (start_s > 0).mean() < 0.7
    assert len(np.unique(start_s)) == len(start_s)


@given(
    draw_s=st.lists(
        st.one_of(st.integers(0, 43_200), st.integers(0, 30)), min_size=1, max_size=5, unique=True
    ),
    strip_s=st.sampled_from([12.4, 12.4, 600.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_strips_keep_out_of_the_hours_of_other_draws_wherever_they_can(
    population, draw_s, strip_s, seed
):
    draws = np.array(draw_s, float)
    n = len(draws)
    visit = replace(
        population, draw_visit=np.zeros(n, int), draw_day=draws / 86400, window_draw=np.arange(n)
    )
    starts = draws + place_strips(visit, strip_s, np.random.default_rng(seed))

    def lies_well(own: float, start: float) -> bool:
        others = draws[draws != own]
        within = own - 3600 - 1e-6 <= start <= own + 3600 - strip_s + 1e-6
        clear = (start + strip_s <= others - 3600 + 1e-6) | (start >= others + 3600 - 1e-6)
        return within and bool(clear.all())

    for own, start in zip(draws, starts, strict=True):
        edges = [own - 3600, own + 3600 - strip_s, *(draws - 3600 - strip_s), *(draws + 3600)]
        if any(lies_well(own, edge) for edge in edges):
            assert lies_well(own, start)
        else:
            assert -3600 - 1e-6 <= start - own <= 3600 - strip_s + 1e-6
            nearest = np.abs(draws - (start + strip_s / 2)).min()
            across = start - 1e-6 <= own <= start + strip_s + 1e-6
            assert across or abs(own - (start + strip_s / 2)) <= nearest + 1e-6


def test_progress_counts_strips(tmp_path):
    seen = []
    cohort = simulate_cohort(
        tmp_path / "cohort",
        patients={"train": 70, "val": 1, "test": 1},
        progress=lambda done, of: seen.append((done, of)),
    )
    assert seen[-1] == (len(cohort), len(cohort))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize("patients", [{"train": 1, "test": 1}, {"train": 1, "val": 0, "test": 1}])
def test_every_split_needs_patients(tmp_path, patients):
    with pytest.raises(CohortError, match="at least 1"):
        simulate_cohort(tmp_path / "cohort", patients=patients)


def test_oracle_is_the_weighted_parameters(cohort):
    rows = cohort.rows("test")
    scores = oracle_scores(cohort, rows)
    physiology = build_physiology(PANEL)
    np.testing.assert_allclose(scores, parameters(cohort, rows) @ physiology.loadings().T)
    np.testing.assert_allclose(ceilings(cohort), physiology.ceilings())
    assert not scores[:, PANEL.index("iron_total_high")].any()


def test_oracle_reaches_the_ceilings(population):
    score = population.z_window @ build_physiology(PANEL).loadings().T
    label = population.truth[population.window_draw] == 1
    reached = np.array([auroc(label[:, j], score[:, j]) for j in range(len(PANEL))])
    expected = build_physiology(PANEL).ceilings()
    common = PANEL.prevalence > 0.05
    assert np.abs(reached - expected)[common].max() < 0.035
    assert abs((reached - expected)[common].mean()) < 0.004


def auroc(positive: np.ndarray, score: np.ndarray) -> float:
    n = int(positive.sum())
    if not n:
        return 0.5
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def test_parameters_are_standard_normal_and_last_with_the_patient(population):
    z, patient = population.z_draw, population.draw_patient
    np.testing.assert_allclose(z.std(axis=0), 1, atol=0.03)
    np.testing.assert_allclose(population.z_window.std(axis=0), 1, atol=0.03)
    other_visit = (patient[1:] == patient[:-1]) & (np.diff(population.draw_visit) > 0)
    alike = [np.corrcoef(x[1:][other_visit], x[:-1][other_visit])[0, 1] for x in z.T]
    np.testing.assert_allclose(alike, 0.5 / 0.85, atol=0.06)


def test_common_analytes_are_measured_more_often_and_in_both_directions_at_once(population):
    share = population.observed.mean(axis=0)
    assert 0.38 < share.min() < 0.43
    assert 0.87 < share.max() < 0.92
    low, high = PANEL.index("potassium_low"), PANEL.index("potassium_high")
    np.testing.assert_array_equal(population.observed[:, low], population.observed[:, high])


def test_heart_markers_are_ordered_when_the_heart_is_fast(population):
    fast = population.z_draw[:, PARAMETERS.index("hr")] > 0
    gap = population.observed[fast].mean(axis=0) - population.observed[~fast].mean(axis=0)
    assert gap[PANEL.index("bnp_nt_pro_high")] > 0.1
    assert abs(gap[PANEL.index("potassium_high")]) < 0.03


def test_ages_and_sexes(cohort, population):
    assert set(cohort.patients["sex"]) == {"M", "F"}
    assert population.age.min() >= 18
    assert population.age.max() <= 90


def test_visiting_must_be_probabilities():
    with pytest.raises(CohortError, match="add up to 1"):
        Visiting(draws=(0.5, 0.4))


def test_a_real_cohort_has_no_oracle(cohort, tmp_path):
    writer = CohortWriter(tmp_path / "real", PANEL, lead="II", rate_hz=500, simulated=False)
    tables = {name: getattr(cohort, name) for name in ("patients", "draws", "windows")}
    with writer:
        for _ in range(len(cohort.strips)):
            writer.add_strip(np.zeros(6200, np.int16))
        real = writer.finish(**tables, strips=cohort.strips, labels=cohort.labels)
    with pytest.raises(CohortError, match="not simulated"):
        oracle_scores(real, [0])
    with pytest.raises(CohortError, match="no array"):
        real.array("parameters")
