"""Write all that follows from ``oecg_v1.toml``. Run it in a checkout after every change.

python -m leadlab_bridge.oecg.generate
"""

from pathlib import Path
from typing import Final

from leadlab_bridge.oecg.emit_c import emit_c
from leadlab_bridge.oecg.emit_docs import emit_docs
from leadlab_bridge.oecg.emit_golden import emit_golden
from leadlab_bridge.oecg.emit_python import emit_python
from leadlab_bridge.oecg.schema import Schema

ROOT: Final = Path(__file__).resolve().parents[3]


def outputs(root: Path = ROOT) -> dict[Path, str]:
    """Return every generated file of the checkout at ``root``, with its text."""
    schema = Schema()
    page = root / "docs" / "open-profile.md"
    bridge = root / "firmware_bridge"
    return {
        bridge / "leadlab_bridge" / "oecg" / "layout.py": emit_python(schema),
        bridge / "include" / "oecg_layout.h": emit_c(schema),
        bridge / "include" / "oecg_golden.json": emit_golden(schema),
        page: emit_docs(schema, page.read_text(encoding="utf-8")),
    }


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
        print(path)
