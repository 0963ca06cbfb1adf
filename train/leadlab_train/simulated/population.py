"""Who comes, how often, and what each draw and window would show: everything but the waveform."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from leadlab_train.errors import CohortError
from leadlab_train.simulated.effects import FACTORS, PARAMETERS
from leadlab_train.simulated.physiology import LAB_SHARES, Floats, Physiology, Shares

Index = NDArray[np.int64]

_DAY_S = 86400.0
_REACH_S = 3600.0  # farthest that a strip reaches from its draw: AnyECG-Lab's training windows
_LEAST_COVERAGE, _MOST_COVERAGE = 0.4, 0.9
_HEART_MARKERS = ("BNP, NT-PRO", "HIGH SENSITIVITY TROPONIN", "TROPONIN I")
_FAST_HEART_PULL = 0.4


@dataclass(frozen=True, slots=True)
class Visiting:
    """How many of each the level above has: probabilities of 1, 2, 3, ..."""

    visits: tuple[float, ...] = (0.7, 0.2, 0.1)
    draws: tuple[float, ...] = (0.8, 0.2)
    windows: tuple[float, ...] = (0.8, 0.2)

    def __post_init__(self) -> None:
        for name in ("visits", "draws", "windows"):
            chances = getattr(self, name)
            if not chances or min(chances) < 0 or abs(sum(chances) - 1) > 1e-9:
                raise CohortError(f"{name} {chances} must be >= 0 and add up to 1")


DEFAULT_VISITING = Visiting()


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """One split's patients with all that belongs to them.

    Attributes
    ----------
    age, male
        ``(n_patients,)``: years; whether the patient is a man.
    visit_patient, draw_visit, window_draw
        Index of each row's parent one level up.
    draw_day
        ``(n_draws,)``: days since an arbitrary origin.
    z_draw, z_window
        ``(n_draws, d)`` unit variance without the window part; ``(n_windows, d)`` unit variance.
    truth, observed
        ``(n_draws, n_indicators)``: int8 labels; whether the analyte was measured.
    """

    age: Floats
    male: NDArray[np.bool_]
    visit_patient: Index
    draw_visit: Index
    window_draw: Index
    draw_day: Floats
    z_draw: Floats
    z_window: Floats
    truth: NDArray[np.int8]
    observed: NDArray[np.bool_]

    @property
    def draw_patient(self) -> Index:
        """Patient of each draw."""
        return self.visit_patient[self.draw_visit]


def draw_population(
    physiology: Physiology, n_patients: int, visiting: Visiting, rng: np.random.Generator
) -> Population:
    """Draw ``n_patients`` patients, their visits, draws, windows, results and orders."""
    visit_patient = _children(n_patients, visiting.visits, rng)
    draw_visit = _children(len(visit_patient), visiting.draws, rng)
    window_draw = _children(len(draw_visit), visiting.windows, rng)

    def lasting(shares: Shares, of_patient: Floats) -> Floats:
        """Sum the patient's, the visit's and the draw's part, for each draw."""
        of_visit = rng.standard_normal((len(visit_patient), of_patient.shape[1]))
        of_draw = rng.standard_normal((len(draw_visit), of_patient.shape[1]))
        return np.asarray(
            np.sqrt(shares.patient) * of_patient[visit_patient[draw_visit]]
            + np.sqrt(shares.visit) * of_visit[draw_visit]
            + np.sqrt(shares.draw) * of_draw
        )

    shares = physiology.shares
    of_patient = rng.standard_normal((n_patients, len(PARAMETERS)))
    ecg = lasting(shares, of_patient)
    within = rng.standard_normal((len(window_draw), len(PARAMETERS)))
    z_draw = ecg / np.sqrt(1 - shares.window)
    factor_noise = lasting(LAB_SHARES, rng.standard_normal((n_patients, len(FACTORS))))
    n_analytes = len(physiology.panel.analytes)
    own_noise = lasting(LAB_SHARES, rng.standard_normal((n_patients, n_analytes)))
    visit_day = rng.uniform(0, 700, len(visit_patient))
    return Population(
        age=_age(of_patient, rng),
        male=rng.random(n_patients) < 0.5,
        visit_patient=visit_patient,
        draw_visit=draw_visit,
        window_draw=window_draw,
        draw_day=visit_day[draw_visit] + rng.uniform(0, 0.5, len(draw_visit)),
        z_draw=z_draw,
        z_window=ecg[window_draw] + np.sqrt(shares.window) * within,
        truth=physiology.labels(physiology.excess(z_draw, factor_noise, own_noise)),
        observed=_ordered(physiology, z_draw, rng),
    )


def place_strips(population: Population, duration_s: float, rng: np.random.Generator) -> Floats:
    """Place a strip of ``duration_s`` around its draw, one for each window.

    A strip lies within an hour of its own draw and more than an hour from the other draws of the
    visit, uniform over what that leaves: the windows within an hour of a draw are its own. Draws
    that crowd together may leave nothing; the strips of such a draw lie nearer to it than to the
    others, or, if these are closer than a strip is long, across the moment of the draw.

    Returns
    -------
    ``(n_windows,)``: start of each strip, seconds after its draw.
    """
    before_s, after_s = _gaps(population)
    first = np.maximum(-_REACH_S, _REACH_S - before_s)
    last = np.minimum(_REACH_S, after_s - _REACH_S) - duration_s
    crowded = first > last
    first = np.where(crowded, np.maximum(-_REACH_S, -before_s / 2), first)
    last = np.where(crowded, np.minimum(_REACH_S, after_s / 2) - duration_s, last)
    own = population.window_draw
    return rng.uniform(np.minimum(first, last)[own], np.maximum(first, last)[own])


def _gaps(population: Population) -> tuple[Floats, Floats]:
    """Seconds from each draw back to the one before in its visit, and on to the one after."""
    order = np.lexsort((population.draw_day, population.draw_visit))
    gap_s = np.diff(population.draw_day[order]) * _DAY_S
    gap_s[np.diff(population.draw_visit[order]) > 0] = np.inf
    before_s, after_s = np.full((2, len(order)), np.inf)
    before_s[order[1:]] = gap_s
    after_s[order[:-1]] = gap_s
    return before_s, after_s


def _children(n_parents: int, chances: tuple[float, ...], rng: np.random.Generator) -> Index:
    """Parent of each child, ascending."""
    counts = 1 + rng.choice(len(chances), size=n_parents, p=chances)
    return np.repeat(np.arange(n_parents), counts)


def _age(of_patient: Floats, rng: np.random.Generator) -> Floats:
    """Years; the old have a slightly longer PR and a stiffer rate."""
    stiff = of_patient[:, PARAMETERS.index("pr")] - of_patient[:, PARAMETERS.index("hrv")]
    z = 0.3 * stiff / np.sqrt(2) + np.sqrt(1 - 0.3**2) * rng.standard_normal(len(of_patient))
    return np.asarray(np.clip(58 + 19 * z, 18, 90).round())


def _ordered(physiology: Physiology, z_draw: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which analytes each draw measured.

    Coverage runs from 40 % for what the study measured least to 90 % for what it measured most; its
    own 0.3 to 38 % would leave too few labels in a cohort this small. Heart markers are ordered
    more often when the heart is fast, at the same coverage.
    """
    panel = physiology.panel
    relative = panel.n_all / panel.n_all.max()
    coverage = _LEAST_COVERAGE + (_MOST_COVERAGE - _LEAST_COVERAGE) * relative
    _, first = np.unique(panel.analyte_index, return_index=True)
    pull = np.where(np.isin(panel.analytes, _HEART_MARKERS), _FAST_HEART_PULL, 0.0)
    wish = pull * z_draw[:, [PARAMETERS.index("hr")]]
    wish = wish + rng.standard_normal((len(z_draw), len(panel.analytes)))
    measured = wish > ndtri(1 - coverage[first]) * np.sqrt(1 + pull**2)
    return np.asarray(measured[:, panel.analyte_index])
