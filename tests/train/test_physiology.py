"""The model behind the simulated cohort: closed form, ceilings, and what must not carry it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import rankdata

from leadlab_train.errors import CohortError
from leadlab_train.panel import Panel, load_panel
from leadlab_train.simulated.closed_form import auroc_of, rho_for
from leadlab_train.simulated.effects import ANALYTES, FACTORS, PARAMETERS
from leadlab_train.simulated.physiology import Shares, build_physiology

PANEL = load_panel()
STUDY = np.array([indicator.study_auroc for indicator in PANEL])
NULL = np.array([indicator.study_ci[0] <= 0.5 for indicator in PANEL])
AUROCS = [0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85]
RHO_NEEDED = {  # prevalence -> rho for each of AUROCS, computed independently of this code
    0.01: [0.066, 0.133, 0.200, 0.271, 0.344, 0.423, 0.509],
    0.05: [0.082, 0.164, 0.247, 0.332, 0.419, 0.510, 0.606],
    0.10: [0.091, 0.182, 0.274, 0.366, 0.460, 0.556, 0.655],
    0.20: [0.101, 0.202, 0.303, 0.404, 0.504, 0.603, 0.702],
    0.30: [0.107, 0.214, 0.319, 0.423, 0.526, 0.627, 0.724],
    0.50: [0.111, 0.221, 0.330, 0.437, 0.541, 0.642, 0.739],
}


def auroc(positive: np.ndarray, score: np.ndarray) -> float:
    n = int(positive.sum())
    above = rankdata(score)[positive].sum() - n * (n + 1) / 2
    return float(above / (n * (len(positive) - n)))


def sample(physiology, n_draws: int, seed: int = 0):
    """Excess over the thresholds and window scores of independent draws with one window each."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n_draws, len(PARAMETERS)))
    noise = (rng.standard_normal((n_draws, n)) for n in (len(FACTORS), len(PANEL.analytes)))
    excess = physiology.excess(z, *noise)
    within = physiology.shares.window
    window = np.sqrt(1 - within) * z + np.sqrt(within) * rng.standard_normal(z.shape)
    return excess, window @ physiology.loadings().T


@pytest.fixture(scope="module")
def physiology():
    return build_physiology(PANEL)


@pytest.mark.parametrize("prevalence", RHO_NEEDED)
def test_rho_needed_for_an_auroc(prevalence):
    np.testing.assert_allclose(rho_for(AUROCS, prevalence), RHO_NEEDED[prevalence], atol=6e-4)


@pytest.mark.parametrize(("rho", "prevalence"), [(0.2, 0.1), (0.5, 0.3), (0.8, 0.02), (0.6, 0.9)])
def test_closed_form_agrees_with_monte_carlo(rho, prevalence):
    rng = np.random.default_rng(3)
    score, noise = rng.standard_normal((2, 1_000_000))
    positive = rho * score + np.sqrt(1 - rho**2) * noise > ndtri(1 - prevalence)
    assert auroc(positive, score) == pytest.approx(float(auroc_of(rho, prevalence)), abs=0.002)


@given(st.floats(0.001, 0.98), st.floats(1e-4, 0.97))
def test_rho_for_inverts_auroc_of(rho, prevalence):
    assert float(rho_for(auroc_of(rho, prevalence), prevalence)) == pytest.approx(rho, abs=1e-4)


@given(st.floats(-0.98, 0.98), st.floats(1e-3, 0.97))
def test_closed_form_symmetry(rho, prevalence):
    assert float(auroc_of(rho, prevalence) + auroc_of(-rho, prevalence)) == pytest.approx(1)


def test_window_ceilings_are_the_studys_aurocs(physiology):
    np.testing.assert_allclose(physiology.ceilings()[~NULL], STUDY[~NULL], atol=1e-6)
    np.testing.assert_allclose(physiology.ceilings()[NULL], 0.5, atol=1e-9)
    assert NULL.sum() == 8


@pytest.mark.parametrize("strength", [-1.0, -0.5, 0.5, 1.0])
def test_strength_stretches_the_ceilings(strength):
    ceilings = build_physiology(PANEL, strength).ceilings()
    wanted = np.where(NULL, 0.5, 0.5 + (STUDY - 0.5) * (1 + strength))
    reachable = wanted < 0.9
    np.testing.assert_allclose(ceilings[reachable], wanted[reachable], atol=1e-6)
    assert ceilings.max() < 1


def test_more_windows_raise_the_ceiling(physiology):
    one, two, many = (physiology.ceilings(n)[~NULL] for n in (1, 2, 1000))
    assert (one < two).all()
    assert (two < many).all()


def test_sampled_labels_reach_the_ceilings_at_the_studys_prevalence(physiology):
    excess, score = sample(physiology, 60_000)
    label = physiology.labels(excess) == 1
    n_positive = PANEL.prevalence * len(label)
    error = np.sqrt(n_positive * (1 - PANEL.prevalence))
    assert (np.abs(label.sum(axis=0) - n_positive) < 5 * error + 3).all()
    for column in np.flatnonzero((PANEL.prevalence > 0.01) & ~NULL):
        n = min(label[:, column].sum(), (~label[:, column]).sum())
        reached = auroc(label[:, column], score[:, column])
        assert reached == pytest.approx(physiology.ceilings()[column], abs=2.5 / np.sqrt(n))


def test_no_draw_is_high_and_low_at_once_and_that_costs_nothing(physiology):
    excess, score = sample(physiology, 60_000, seed=1)
    label, free = physiology.labels(excess) == 1, excess > 0
    for analyte in range(len(PANEL.analytes)):
        assert label[:, PANEL.analyte_index == analyte].sum(axis=1).max() <= 1
    touched = np.flatnonzero((label != free).any(axis=0))
    for column in touched:
        before, after = (auroc(x[:, column], score[:, column] + 0.0) for x in (free, label))
        assert abs(after - before) <= 0.005


def test_heart_rate_alone_does_not_carry_the_result(physiology):
    along_rate = np.abs(physiology.loadings()[:, PARAMETERS.index("hr")])
    rate = (auroc_of(along_rate, PANEL.prevalence) - 0.5).sum()
    assert rate / (physiology.ceilings() - 0.5).sum() <= 0.35


def test_opposite_directions_point_in_opposite_ways(physiology):
    low, high = PANEL.index("potassium_low"), PANEL.index("potassium_high")
    np.testing.assert_allclose(physiology.directions[low], -physiology.directions[high])
    np.testing.assert_allclose(np.linalg.norm(physiology.directions, axis=1), 1)


def test_high_potassium_makes_tall_narrow_t_waves(physiology):
    effect = dict(
        zip(PARAMETERS, physiology.directions[PANEL.index("potassium_high")], strict=True)
    )
    assert effect["t_amplitude"] > 0.3
    assert effect["t_width"] < -0.2
    assert effect["u_amplitude"] < -0.2


def test_effects_name_known_parameters():
    known = {*PARAMETERS, *FACTORS}
    assert set(ANALYTES) == set(PANEL.analytes)
    for effects in (*FACTORS.values(), *ANALYTES.values()):
        assert set(effects) <= known
    assert all(set(effects) <= set(PARAMETERS) for effects in FACTORS.values())


def test_kin_share_noise(physiology):
    analyte = {name: i for i, name in enumerate(PANEL.analytes)}
    common = physiology.noise_loading @ physiology.noise_loading.T
    assert common[analyte["CALCIUM"], analyte["CALCIUM, IONIZED"]] == pytest.approx(0.4)
    assert common[analyte["LYMPHOCYTE % (AUTO DIFF)"], analyte["PROCALCITONIN"]] < 0
    assert common[analyte["POTASSIUM"], analyte["CALCIUM"]] == 0


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(CohortError, match="strength is -2"):
        build_physiology(PANEL, -2)
    with pytest.raises(CohortError, match="add up to 1"):
        Shares(0.5, 0.5, 0.5, 0.5)
    with pytest.raises(CohortError, match="no effects for"):
        build_physiology(altered(analyte="UNOBTAINIUM"))
    with pytest.raises(CohortError, match="needs auroc"):
        build_physiology(altered(study_auroc=None))
    with pytest.raises(CohortError, match="prevalence"):
        build_physiology(Panel(PANEL.indicators, 0 * PANEL.n_all, PANEL.n_positive))


def altered(**fields) -> Panel:
    first, *others = PANEL.indicators
    changed = dataclasses.replace(first, **fields)
    return Panel((changed, *others), PANEL.n_all, PANEL.n_positive)
