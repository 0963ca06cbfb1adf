from pathlib import Path

import numpy as np
import pytest
from gaussian_ecg import gaussian_ecg_mv, steady_ecg_mv
from real_ecg import read_mv

from leadlab_edge.beats import detect_beats
from leadlab_edge.quality import Quality, Reason, assess

FS_HZ = 130.0
WINDOW_S = 13.0


def judge(x_mv: np.ndarray, fs_hz: float = FS_HZ, **flags: float) -> Quality:
    return assess(x_mv.astype(np.float32), fs_hz, detect_beats(x_mv, fs_hz), **flags)


def windows(x_mv: np.ndarray, fs_hz: float) -> list[np.ndarray]:
    n = int(WINDOW_S * fs_hz)
    return [x_mv[start : start + n] for start in range(0, x_mv.size - n + 1, n)]


@pytest.fixture
def clean_mv() -> np.ndarray:
    rng = np.random.default_rng(0)
    x_mv = steady_ecg_mv(FS_HZ, WINDOW_S)
    return x_mv + rng.normal(0, 0.01, x_mv.size) + 0.2 * np.sin(np.arange(x_mv.size) / FS_HZ)


def test_clean_ecg_is_usable(clean_mv: np.ndarray) -> None:
    quality = judge(clean_mv)
    assert quality.usable
    assert quality.score > 0.95
    assert judge(-clean_mv).usable
    assert judge(clean_mv + 300.0).usable


@pytest.mark.parametrize("rr_s", [1.6, 1.0, 0.5, 0.3])
def test_a_silent_baseline_is_neither_flat_nor_a_rail(rr_s: float) -> None:
    assert judge(np.round(steady_ecg_mv(FS_HZ, WINDOW_S, rr_s), 3)).usable


def test_bigeminy_is_usable() -> None:
    t_s = np.arange(int(WINDOW_S * FS_HZ)) / FS_HZ
    ventricular_s = np.arange(1.0, 13.0, 1.6)
    x_mv = gaussian_ecg_mv(t_s, np.arange(0.4, 13.0, 1.6))
    for beat_s in ventricular_s:
        x_mv += 1.2 * np.exp(-0.5 * ((t_s - beat_s) / 0.025) ** 2)
        x_mv -= 0.4 * np.exp(-0.5 * ((t_s - beat_s - 0.2) / 0.06) ** 2)
    assert judge(x_mv).usable


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_invalid_samples(clean_mv: np.ndarray, bad: float) -> None:
    clean_mv[700] = bad
    assert judge(clean_mv) == Quality(0.0, (Reason.INVALID,))


def test_what_the_device_reports(clean_mv: np.ndarray) -> None:
    assert judge(clean_mv, lead_off=True).reasons == (Reason.LEAD_OFF,)
    assert judge(clean_mv, saturated_share=0.06).reasons == (Reason.RAIL,)
    assert judge(clean_mv, saturated_share=0.04).usable


def test_flat_line(clean_mv: np.ndarray) -> None:
    assert Reason.FLAT in judge(np.zeros(1700)).reasons
    noise = np.random.default_rng(1).uniform(-0.004, 0.004, 1700)
    assert Reason.FLAT in judge(noise).reasons
    clean_mv[600:1100] = clean_mv[600]
    assert Reason.FLAT in judge(clean_mv).reasons


def test_rails(clean_mv: np.ndarray) -> None:
    assert Reason.RAIL in judge(np.clip(clean_mv * 30, -5, 5)).reasons
    slow = 3 * np.sin(np.arange(clean_mv.size) / 100)
    assert Reason.RAIL in judge(np.clip(clean_mv + slow, -2.5, 2.5)).reasons


def test_wrong_unit(clean_mv: np.ndarray) -> None:
    assert Reason.UNIT in judge(clean_mv * 1000).reasons  # microvolts taken for millivolts
    assert Reason.FLAT in judge(clean_mv / 1000).reasons  # volts taken for millivolts


def test_no_beats_and_impossible_heart_rates() -> None:
    slow_wave = np.sin(np.arange(1700) / 200)
    assert Reason.NO_BEATS in judge(slow_wave).reasons
    assert Reason.NO_BEATS in judge(steady_ecg_mv(FS_HZ, WINDOW_S, rr_s=2.3)).reasons


@pytest.mark.parametrize("seed", range(10))
def test_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert Reason.NOISE in judge(rng.normal(0, 0.3, 1700)).reasons
    walk = np.cumsum(rng.normal(0, 0.02, 1700))
    assert not judge(walk).usable


def test_clean_recordings_are_accepted(ecg_dir: Path) -> None:
    holter = [judge(w, 360.0) for w in windows(*read_mv(ecg_dir / "mitdb" / "100"))]
    assert np.mean([quality.usable for quality in holter]) >= 0.95
    clinical = [
        judge(*read_mv(path.with_suffix(""), lead))
        for path in sorted((ecg_dir / "cinc2021").glob("*.hea"))
        for lead in (0, 1)
    ]
    assert len(clinical) == 20
    assert np.mean([quality.usable for quality in clinical]) >= 0.95
    for quality in (*holter, *clinical):
        assert not {Reason.RAIL, Reason.FLAT, Reason.UNIT} & set(quality.reasons)


@pytest.mark.parametrize(("kind", "most_at_worst"), [("em_a", 0.1), ("ma_a", 0.1), ("bw_a", 1.0)])
def test_acceptance_falls_with_the_signal_to_noise_ratio(
    ecg_dir: Path, kind: str, most_at_worst: float
) -> None:
    ecg_mv, fs_hz = read_mv(ecg_dir / "mitdb" / "100")
    noise = windows(read_mv(ecg_dir / "nstdb" / kind)[0], fs_hz)
    clean = windows(ecg_mv, fs_hz)[:60]
    accepted, scores = [], []
    for snr_db in (24, 18, 12, 6, 0, -6):
        judged = []
        for x, n in zip(clean, noise, strict=False):
            power = np.ptp(np.percentile(x, (0.5, 99.5))) ** 2 / 8
            scale = np.sqrt(power / 10 ** (snr_db / 10) / n.var())
            judged.append(judge(x + scale * (n - n.mean()), fs_hz))
        accepted.append(float(np.mean([quality.usable for quality in judged])))
        scores.append(float(np.mean([quality.score for quality in judged])))
    assert accepted == sorted(accepted, reverse=True)
    assert scores == sorted(scores, reverse=True)
    assert accepted[:3] >= [0.95] * 3
    assert accepted[-1] <= most_at_worst
