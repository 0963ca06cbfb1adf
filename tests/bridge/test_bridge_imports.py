"""What importing the bridge costs."""

import subprocess
import sys

import pytest

RADIO = ("bleak", "bumble", "dbus_fast")


@pytest.mark.parametrize(
    "module",
    [
        "leadlab_bridge",
        "leadlab_bridge.devices",
        "leadlab_bridge.simulated.strap",
        "leadlab_edge.sources",
        "leadlab_edge.sources.simulated",
    ],
)
def test_no_bluetooth_stack_is_loaded(module: str):
    script = f"import sys, {module}; print(*(m for m in {RADIO} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
