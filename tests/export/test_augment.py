"""Augmentation: exact where it does nothing, faithful where it resamples, reproducible."""

import math

import pytest
import torch

from leadlab_export.augment import Augmentation, resample_cubic

N = 1464
NOTHING = Augmentation(shift=0, stretch=0.0, wander=0.0, step=0.0, noise=0.0, quantum=0.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def test_nothing_cuts_the_middle() -> None:
    strips = torch.randn(3, N + 40, generator=generator())
    torch.testing.assert_close(NOTHING(strips, N, generator()), strips[:, 20:-20])


def test_whole_shifts_are_exact() -> None:
    strips = torch.randn(2, N + 40, generator=generator())
    moved = resample_cubic(strips, column(5, -5), column(1, 1), N)
    torch.testing.assert_close(moved, torch.stack([strips[0, 25:-15], strips[1, 15:-25]]))


@pytest.mark.parametrize("hz", [1.0, 5.0, 10.0])
def test_stretching_reads_the_right_instants(hz: float) -> None:
    time_s = (torch.arange(N + 40) - (N + 39) / 2) / 125
    strips = torch.sin(2 * math.pi * hz * time_s)[None]
    read = resample_cubic(strips, column(0.3), column(1.01), N)[0]
    instants = (torch.arange(N) - (N - 1) / 2) * 1.01 + 0.3
    error = read - torch.sin(2 * math.pi * hz * instants / 125)
    assert error.abs().max() < 4e-4 * hz**2


def test_same_generator_same_windows_and_every_window_its_own() -> None:
    strips = torch.randn(1, N + 40, generator=generator()).expand(4, -1)
    once, again = (Augmentation()(strips, N, generator(3)) for _ in range(2))
    torch.testing.assert_close(once, again, atol=0, rtol=0)
    assert not torch.equal(once[0], once[1])


def test_disturbances_scale_with_the_signal() -> None:
    strips = torch.randn(4, N + 40, generator=generator())
    small, large = (Augmentation()(gain * strips, N, generator(1)) for gain in (1.0, 8.0))
    torch.testing.assert_close(large, 8 * small)


def test_flat_strips_stay_finite() -> None:
    for offset_mv in (0.0, 300.0):
        flat = torch.full((8, N + 40), offset_mv)
        assert torch.isfinite(Augmentation()(flat, N, generator())).all()
        assert torch.isfinite(NOTHING(flat, N, generator())).all()


def test_fast_only_slows_the_ecg_down_and_needs_no_more_signal() -> None:
    fast = Augmentation(shift=0, stretch=0.0, fast=0.04, wander=0, step=0, noise=0, quantum=0)
    assert fast.spare(N) == NOTHING.spare(N) == 0
    ramp = torch.arange(N, dtype=torch.float32).expand(64, -1)
    read = fast(ramp, N, generator())
    spans = (read[:, -1] - read[:, 0]) / (N - 1)
    assert 0.96 - 1e-4 <= spans.min() < 0.965
    assert 0.995 < spans.max() <= 1 + 1e-4


def test_spare_is_what_shift_and_stretch_reach() -> None:
    only_time = Augmentation(wander=0, step=0, noise=0, quantum=0)
    spare = only_time.spare(N)
    assert spare == 20
    reach = spare + 2  # interpolation looks two samples further
    marked = torch.nn.functional.pad(torch.ones(256, N + 2 * reach), (9, 9), value=1e6)
    assert only_time(marked, N, generator()).max() < 1.001
    near = torch.nn.functional.pad(torch.ones(256, N + 2 * reach - 10), (14, 14), value=1e6)
    assert only_time(near, N, generator()).max() > 1e3
