"""Time the simulator and measure how much of what it hides survives the published filter chain.

    python benchmarks/simulator.py [--windows 8000] [--seed 0] [--cohort]

Prints milliseconds per strip and, for every ECG parameter, the R2 with which a small network
recovers it from the average beat of `ecgfounder_v1` windows; then what share of the AUROC ceiling
that is worth, and what share true heart rate alone would reach. With --cohort also writes the demo
cohort to a temporary folder and times writing, opening and reading. About a minute on one core.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import find_peaks
from torch import nn

from leadlab_edge.signal import ecgfounder_v1
from leadlab_train.cohort import Cohort
from leadlab_train.panel import load_panel
from leadlab_train.simulated.closed_form import auroc_of
from leadlab_train.simulated.cohort import simulate_cohort
from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.physiology import build_physiology
from leadlab_train.simulated.waveform import render

RATE_HZ = 500.0
BATCH = 64
STEPS = 4000

Floats = NDArray[np.float64]


def windows_of(z: Floats, seed: int, duration_s: float) -> NDArray[np.float32]:
    """Render ``z`` in batches."""
    generators = [np.random.default_rng([seed, i]) for i in range(len(z))]
    return np.concatenate(
        [
            render(z[i : i + BATCH], generators[i : i + BATCH], duration_s=duration_s)
            for i in range(0, len(z), BATCH)
        ]
    )


def average_beat(window: NDArray[np.float32]) -> Floats:
    """Mean beat from -0.32 to 0.62 s around R at 125 Hz, log mean RR and log variation of RR."""
    peaks, _ = find_peaks(window, height=0.5 * np.quantile(window, 0.999), distance=150)
    inner = peaks[(peaks > 160) & (peaks < len(window) - 310)]
    beat = window[inner[:, None] + np.arange(-160, 310, 4)].mean(axis=0)
    rr_s = np.diff(peaks) / RATE_HZ
    return np.append(beat, np.log([rr_s.mean(), rr_s.std() / rr_s.mean() + 1e-3]))


def recovered_r2(features: Floats, z: Floats) -> Floats:
    """``(d,)``: R2 on the last sixth of a two-layer network fitted on the rest."""
    n_fit, spread = 5 * len(z) // 6, features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.maximum(spread, 0.02 * spread.max())
    x, y = torch.tensor(scaled, dtype=torch.float32), torch.tensor(z, dtype=torch.float32)
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Linear(x.shape[1], 256), nn.GELU(), nn.Linear(256, 256), nn.GELU()),
        nn.Linear(256, y.shape[1]),
    )
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(0, n_fit, (256,))
        noisy = x[rows] + 0.02 * torch.randn(len(rows), x.shape[1])
        loss = nn.functional.mse_loss(network(noisy), y[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        error = (network(x[n_fit:]) - y[n_fit:]).numpy()
    return np.asarray(1 - (error**2).mean(axis=0) / z[n_fit:].var(axis=0))


def report_signal(n_windows: int, seed: int) -> None:
    """Print the cost of a strip and what the windows still tell of each parameter."""
    z = np.random.default_rng(seed).standard_normal((n_windows, len(PARAMETERS)))
    windows_of(z[:BATCH], seed, 12.4)
    begin = time.perf_counter()
    windows_of(z[:1024], seed, 12.4)
    took_ms = (time.perf_counter() - begin) * 1e3
    print(f"render: {took_ms / 1024:.3f} ms per 12.4-s strip @ 500 Hz")
    filtered = ecgfounder_v1(windows_of(z, seed, 10.0))
    r2 = recovered_r2(np.array([average_beat(window) for window in filtered]), z)
    for name, value in zip(PARAMETERS, r2, strict=True):
        print(f"  {name:12s} R2 {value:.2f}")
    physiology = build_physiology(load_panel())
    rho = np.linalg.norm(physiology.loadings(), axis=1)
    from_beat = rho * np.sqrt(physiology.directions**2 @ np.clip(r2, 0, 1))
    from_rate = rho * np.abs(physiology.directions[:, PARAMETERS.index("hr")])
    full, beat, rate = (
        (auroc_of(r, physiology.panel.prevalence) - 0.5).sum() for r in (rho, from_beat, from_rate)
    )
    print(f"mean ceiling {physiology.ceilings().mean():.4f}")
    print(f"reached by the average beat {beat / full:.3f}, by heart rate {rate / full:.3f}")


def report_cohort(seed: int) -> None:
    """Print the times of writing, opening and reading the demo cohort."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        cohort = simulate_cohort(Path(folder) / "cohort", seed=seed)
        print(f"cohort: {len(cohort)} strips written in {time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        cohort = Cohort.open(cohort.path)
        print(f"open and check: {(time.perf_counter() - begin) * 1e3:.0f} ms")
        rows = np.random.default_rng(seed).permutation(len(cohort))[:256]
        cohort.read_mv(rows, margin_s=1.2)
        times = []
        for _ in range(20):
            begin = time.perf_counter()
            cohort.read_mv(rows, margin_s=1.2)
            times.append(time.perf_counter() - begin)
        print(f"read 256 windows with margins, warm: {np.median(times) * 1e3:.2f} ms")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description="Time the simulator; measure what survives it.")
    parser.add_argument("--windows", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cohort", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report_signal(arguments.windows, arguments.seed)
    if arguments.cohort:
        report_cohort(arguments.seed)


if __name__ == "__main__":
    main()
