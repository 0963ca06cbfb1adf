"""What every test shares: real recordings where present, golden vectors, one torch thread."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ROOT.parent / "shared"
REQUIRED = {name for name in os.environ.get("LEADLAB_REQUIRE", "").split(",") if name}

# Two torch processes of two threads slow each other a hundredfold on two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A developer's pins and trusted keys are not the tests' business.
os.environ["LEADLAB_CONFIG_DIR"] = str(ROOT / "build" / "no-settings")


def need(name: str, present: bool, remedy: str) -> None:
    """Skip the test unless ``name`` is present; fail instead where LEADLAB_REQUIRE names it."""
    if present:
        return
    if name in REQUIRED:
        pytest.fail(f"LEADLAB_REQUIRE asks for {name!r}, which is absent: {remedy}")
    pytest.skip(f"no {name}: {remedy}")


@pytest.fixture(scope="session")
def ecg_dir() -> Path:
    """Return the folder of real recordings."""
    folder = Path(os.environ.get("LEADLAB_ECG", BESIDE / "data" / "ecg"))
    need("ecg", folder.is_dir(), "set LEADLAB_ECG to a folder of real recordings")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Return the folder of the golden vectors that are part of the project."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def golden_real() -> Path:
    """Return the folder of golden vectors made from real recordings, which are not part of it."""
    folder = Path(os.environ.get("LEADLAB_GOLDEN", BESIDE / "golden"))
    need("golden", folder.is_dir(), "set LEADLAB_GOLDEN to the folder of the real golden vectors")
    return folder
