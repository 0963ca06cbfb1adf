import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from gaussian_ecg import gaussian_ecg_mv, steady_ecg_mv
from hypothesis import given, settings
from hypothesis import strategies as st

from leadlab_bridge import EcgFrame, FrameError, FrameFlag
from leadlab_edge.indicators import Indicator
from leadlab_edge.pipeline import Model, Pipeline, PipelineSettings, WindowResult
from leadlab_edge.quality import Reason
from leadlab_edge.sources.base import SourceInfo

N = 73
WEARABLE = SourceInfo("Polar H10", "ble", "II", 130.0)


class Dummy:
    """A model that remembers what it was given; its logits are the window's mean and spread."""

    rate_hz, n_samples, margin, lead = 125.0, 1475, 112, "II"
    indicators = (
        Indicator.define("POTASSIUM", ">", 5.0, "mmol/L"),
        Indicator.define("POTASSIUM", "<", 3.5, "mmol/L"),
    )

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def logits(self, raw_mv: np.ndarray) -> np.ndarray:
        assert raw_mv.shape == (self.n_samples,)
        assert raw_mv.dtype == np.float32
        self.seen.append(raw_mv)
        return np.array([raw_mv.mean(), raw_mv.std()], np.float32)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def frames_of(
    x_mv: np.ndarray, rate_hz: float = 130.0, n: int = N, **changes: object
) -> Iterator[EcgFrame]:
    """Cut millivolts into frames stamped by a device that really samples at ``rate_hz``."""
    for start in range(0, x_mv.size - n + 1, n):
        frame = EcgFrame(
            (1000 * x_mv[start : start + n]).astype(np.float32),
            130.0,
            "II",
            device_time_ns=round((start + n - 1) / rate_hz * 1e9) + 6 * 10**17,
        )
        yield replace(frame, **changes)  # type: ignore[arg-type]


def feed(pipeline: Pipeline, frames: Iterator[EcgFrame] | list[EcgFrame]) -> list[WindowResult]:
    results = []
    for number, frame in enumerate(frames):
        results += pipeline.feed(frame, (number + 1) * N / 130.0)
    return results


def noisy_ecg_mv(rate_hz: float, seconds: float) -> np.ndarray:
    x_mv = steady_ecg_mv(rate_hz, seconds)
    return x_mv + np.random.default_rng(0).normal(0, 0.01, x_mv.size)


def test_dummy_is_a_model() -> None:
    model: Model = Dummy()
    assert len(model.indicators) == 2


def test_results_of_a_clean_stream() -> None:
    model = Dummy()
    pipeline = Pipeline(model, WEARABLE)
    results = feed(pipeline, frames_of(noisy_ecg_mv(130.163, 60.0), 130.163))
    assert [result.index for result in results] == list(range(len(results)))
    assert len(results) == 10
    for result in results:
        assert result.quality.usable
        assert result.heart_rate_bpm == pytest.approx(60 / 0.83, rel=0.01)
        assert result.rate_hz == pytest.approx(130.163, rel=1e-5)
        assert result.end_s - result.start_s == pytest.approx(1251 / 125)
        assert result.logits is not None
        assert result.probabilities is not None
        np.testing.assert_allclose(result.probabilities, model.probabilities(result.logits))
    starts = [result.raw_start for result in results]
    assert starts == list(range(0, 650 * len(results), 650))
    last = results[-1]
    assert last.trend is not None
    assert (last.trend.windows, last.trend.age_s) == (10, 0.0)
    assert pipeline.notes == ()


@pytest.mark.parametrize("rate_hz", [123.5, 130.163, 136.5])
def test_the_model_sees_the_truth_at_its_own_rate(rate_hz: float) -> None:
    model, beats_s = Dummy(), np.arange(0.4, 45.0, 0.83)
    x_mv = gaussian_ecg_mv(np.arange(int(40 * rate_hz)) / rate_hz, beats_s)
    results = feed(Pipeline(model, WEARABLE), frames_of(x_mv, rate_hz))
    assert len(results) >= 4
    for result, seen_mv in zip(results, model.seen, strict=True):
        nominal_s = (result.start_s + result.end_s) / 2
        middle_s = (result.raw_start + (result.raw_stop - result.raw_start - 1) / 2) / rate_hz
        t_s = middle_s + (np.arange(1475) - 737) / 125.0
        error_mv = min(
            float(np.abs(gaussian_ecg_mv(t_s + shift_s, beats_s) - seen_mv).max())
            for shift_s in np.linspace(-0.004, 0.004, 41)  # half an output sample
        )
        assert error_mv < 0.015
        assert nominal_s == pytest.approx(middle_s, abs=0.7)  # 5 % of the first, unmeasured 10 s


@pytest.mark.parametrize("rate_hz", [123.5, 130.0, 136.5])
def test_first_result_within_fifteen_seconds(rate_hz: float) -> None:
    pipeline, n_fed = Pipeline(Dummy(), WEARABLE), 0
    for frame in frames_of(noisy_ecg_mv(rate_hz, 20.0), rate_hz):
        n_fed += N
        if pipeline.feed(frame, n_fed / rate_hz):
            break
    assert n_fed / rate_hz < 15.0


@given(
    sizes=st.lists(st.integers(20, 1500), min_size=1, max_size=12),
    lost=st.sets(st.integers(1, 200), max_size=2),
)
@settings(max_examples=30, deadline=None)
def test_raw_cuts_do_not_depend_on_frames(sizes: list[int], lost: set[int]) -> None:
    x_mv = noisy_ecg_mv(130.0, 45.0)
    model, start, number = Dummy(), 0, 0
    pipeline = Pipeline(model, WEARABLE)
    cuts: list[WindowResult] = []
    edges = [0]
    while start < x_mv.size:
        n = min(sizes[number % len(sizes)], x_mv.size - start)
        if number in lost:
            edges += [start, start + n]
        else:
            frame = EcgFrame(
                (1000 * x_mv[start : start + n]).astype(np.float32), 130.0, "II", sample_index=start
            )
            cuts += pipeline.feed(frame, start / 130.0)
        start, number = start + n, number + 1
    edges.append(x_mv.size)
    length = 1749
    expected = [
        first
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
        for first in range(begin, end - length + 1, 650)
    ]
    windows = [cut for cut in cuts if cut.quality.reasons != (Reason.GAP,)]
    assert [cut.raw_start for cut in windows] == expected
    assert {cut.raw_stop - cut.raw_start for cut in windows} <= {length}
    for first, seen_mv in zip(expected, model.seen, strict=True):
        alone = Dummy()
        again = Pipeline(alone, WEARABLE)
        whole = EcgFrame(
            (1000 * x_mv[first : first + length]).astype(np.float32), 130.0, "II", sample_index=0
        )
        again.feed(whole, 0.0)
        np.testing.assert_array_equal(alone.seen[0], seen_mv)


def test_no_window_spans_a_gap() -> None:
    frames = list(frames_of(noisy_ecg_mv(130.0, 60.0)))
    pipeline = Pipeline(Dummy(), WEARABLE)
    results = feed(pipeline, frames[:30] + frames[31:])
    gap = (30 * N, 31 * N)
    assert results[0].raw_start == 0
    for result in results:
        assert result.raw_stop <= gap[0] or result.raw_start >= gap[1]
    assert (pipeline.stats.gaps, pipeline.stats.lost_samples) == (1, N)


def test_gaps_without_end_are_an_abstention_not_a_silence() -> None:
    frames = list(frames_of(noisy_ecg_mv(130.0, 60.0)))
    results = feed(Pipeline(Dummy(), WEARABLE), [f for k, f in enumerate(frames) if k % 10])
    assert 3 <= len(results) <= 5
    for result in results:
        assert result.quality.reasons == (Reason.GAP,)
        assert result.probabilities is None
        assert result.end_s - result.start_s == pytest.approx(14, abs=3)


def test_a_restarted_clock_does_not_mix_epochs() -> None:
    frames = list(frames_of(noisy_ecg_mv(130.0, 60.0)))
    restarted = [
        replace(f, device_time_ns=round(k * N / 130 * 1e9)) for k, f in enumerate(frames[40:])
    ]
    pipeline = Pipeline(Dummy(), WEARABLE)
    results = feed(pipeline, frames[:40] + restarted)
    assert pipeline.stats.clock_resets == 1
    assert all(r.quality.usable and r.rate_hz == pytest.approx(130.0) for r in results)
    assert all(r.raw_stop <= 40 * N or r.raw_start >= 40 * N for r in results)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"flags": FrameFlag.LEAD_OFF}, Reason.LEAD_OFF),
        ({"flags": FrameFlag.SATURATED}, Reason.RAIL),
        ({"samples_uv": np.full(N, np.nan, np.float32)}, Reason.INVALID),
        ({"samples_uv": np.full(N, np.inf, np.float32)}, Reason.INVALID),
    ],
)
def test_bad_frames_abstain_where_they_are(change: dict[str, object], reason: Reason) -> None:
    frames = list(frames_of(noisy_ecg_mv(130.0, 90.0)))
    bad = (80, 81, 82)
    for k in bad:
        frames[k] = replace(frames[k], **change)  # type: ignore[arg-type]
    results = feed(Pipeline(Dummy(), WEARABLE), frames)
    for result in results:
        touched = result.raw_start < (bad[-1] + 1) * N and result.raw_stop > bad[0] * N
        if not touched:
            assert result.quality.usable
        elif result.raw_start <= bad[0] * N and result.raw_stop >= (bad[-1] + 1) * N:
            assert reason in result.quality.reasons
            assert result.probabilities is None
            assert result.trend is not None  # what was known before stays, and ages
    assert results[-1].quality.usable
    worst_age_s = max(r.trend.age_s for r in results if r.trend is not None)
    assert worst_age_s == pytest.approx(15.0, abs=5.5)


def test_a_rate_far_off_nominal_abstains_and_says_so() -> None:
    pipeline = Pipeline(Dummy(), WEARABLE)
    results = feed(pipeline, frames_of(noisy_ecg_mv(113.8, 60.0), 113.8))
    assert results
    assert all(r.quality.reasons == (Reason.RATE_MISMATCH,) for r in results)
    assert pipeline.stats.gaps == 0
    assert "113.8" in results[-1].notes[0]
    assert "130" in results[-1].notes[0]


def test_another_lead_is_said_aloud_and_refused_on_request() -> None:
    chest = replace(WEARABLE, lead="chest")
    frames = list(frames_of(noisy_ecg_mv(130.0, 20.0)))
    said = feed(Pipeline(Dummy(), chest), frames)
    assert said[0].quality.usable
    assert "lead chest is not lead II" in said[0].notes[0]
    refused = feed(Pipeline(Dummy(), chest, PipelineSettings(require_lead=True)), frames)
    assert refused[0].quality.reasons == (Reason.WRONG_LEAD,)


def test_frames_that_carry_nothing_are_counted() -> None:
    pipeline = Pipeline(Dummy(), WEARABLE)
    frame = next(frames_of(np.zeros(N)))
    assert pipeline.feed(replace(frame, samples_uv=np.empty(0, np.float32)), 0.0) == []
    assert pipeline.feed(replace(frame, rate_hz=250.0), 0.0) == []
    assert pipeline.feed(FrameError("junk"), 0.0) == []
    assert pipeline.stats.bad_frames == 3
    assert pipeline.stats.frames == 0


def test_a_model_that_answers_nonsense_is_an_abstention() -> None:
    class Broken(Dummy):
        def logits(self, raw_mv: np.ndarray) -> np.ndarray:
            return np.full_like(raw_mv[:2], np.nan)

    results = feed(Pipeline(Broken(), WEARABLE), frames_of(noisy_ecg_mv(130.0, 20.0)))
    assert results[0].quality.reasons == (Reason.INVALID,)
    assert results[0].logits is None


def test_a_device_without_time_is_noted() -> None:
    pipeline = Pipeline(Dummy(), WEARABLE)
    results = feed(pipeline, frames_of(noisy_ecg_mv(130.0, 20.0), device_time_ns=None))
    assert results[0].quality.usable
    assert "losses cannot be seen" in results[0].notes[0]


def test_snapshot() -> None:
    pipeline = Pipeline(Dummy(), WEARABLE, PipelineSettings(strip_s=4.0))
    before = pipeline.snapshot()
    assert before.stream_s == 0.0
    assert before.latest is None
    assert np.isnan(before.strip_mv).all()
    results = feed(pipeline, frames_of(noisy_ecg_mv(130.0, 30.0)))
    now = pipeline.snapshot()
    assert now.strip_mv.shape == (520,)
    assert np.isfinite(now.strip_mv).all()
    assert 1.0 < np.ptp(now.strip_mv) < 1.8
    assert now.stream_s == pytest.approx(53 * N / 130.0)
    assert now.latest is results[-1]
    assert now.heart_rate_bpm == pytest.approx(60 / 0.83, rel=0.01)
    assert now.clock.locked
    assert now.stats.frames == 53


@given(
    frames=st.lists(
        st.tuples(
            st.integers(0, 3000),
            st.none() | st.integers(-(2**63), 2**63) | st.integers(0, 40).map(lambda s: s * 10**9),
            st.none() | st.integers(0, 2**40) | st.integers(0, 6000),
            st.sampled_from((0.0, 1e3, np.nan, np.inf, -1e30)),
            st.sampled_from((FrameFlag.NONE, FrameFlag.LEAD_OFF, FrameFlag.CLOCK_RESET)),
            st.floats(0, 1e4),
        ),
        max_size=20,
    )
)
@settings(max_examples=200, deadline=None)
def test_no_frame_breaks_the_pipeline(
    frames: list[tuple[int, int | None, int | None, float, FrameFlag, float]],
) -> None:
    pipeline, stop, host_s = Pipeline(Dummy(), WEARABLE), 0, 0.0
    ecg_uv = (1000 * noisy_ecg_mv(130.0, 3001 / 130.0)).astype(np.float32)
    for n, time_ns, index, offset_uv, flags, waited_s in frames:
        host_s += waited_s
        frame = EcgFrame(ecg_uv[:n] + np.float32(offset_uv), 130.0, "II", time_ns, index, flags)
        for result in pipeline.feed(frame, host_s):
            assert result.raw_start >= 0
            assert result.raw_stop > stop
            assert (result.probabilities is None) is not result.quality.usable
            stop = result.raw_stop
    assert pipeline.snapshot().strip_mv.size == 780
    assert len(frames) == sum(
        getattr(pipeline.stats, name)
        for name in ("frames", "duplicates", "reordered", "bad_frames")
    )


def test_a_frame_that_completes_no_window_is_cheap() -> None:
    pipeline = Pipeline(Dummy(), WEARABLE)
    costs_s = []
    for k, frame in enumerate(frames_of(noisy_ecg_mv(130.0, 120.0))):
        began_s = time.perf_counter()
        if not pipeline.feed(frame, k * 0.56):
            costs_s.append(time.perf_counter() - began_s)
    assert np.median(costs_s) < 0.001


def test_importing_the_pipeline_is_light() -> None:
    code = (
        "import sys, leadlab_edge.pipeline, leadlab_edge.signal;"
        "heavy = {'scipy', 'torch', 'onnx', 'onnxruntime', 'tensorflow', 'polars', 'bleak'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
