import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_pack

import leadlab
from leadlab_edge.errors import PackError

HEAVY = {"scipy", "torch", "onnx", "onnxruntime", "tensorflow", "jax", "pandas", "polars", "bleak"}


def modules_after(code):
    """Return the top-level modules that a fresh interpreter holds after ``code``."""
    script = f"{code}\nimport sys; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_predicting_with_a_compact_pack_stays_lean(tmp_path):
    models = (tiny_pack.ModelFile.of("tflite", "fp32"),)
    members = {k: v for k, v in tiny_pack.members().items() if not k.endswith("onnx")}
    file = tmp_path / "x.leadpack"
    tiny_pack.write_pack(file, tiny_pack.manifest(models=models), members)
    code = (
        "import leadlab, numpy\n"
        f"pack = leadlab.load({str(file)!r})\n"
        "assert pack.predict(numpy.zeros(500), rate_hz=25.3).probabilities.shape == (1, 3)\n"
    )
    loaded = modules_after(code)
    assert "ai_edge_litert" in loaded
    assert loaded & HEAVY == set()


def test_importing_leaves_every_runtime_alone():
    assert modules_after("import leadlab") & (HEAVY | {"ai_edge_litert", "soxr", "wfdb"}) == set()


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert leadlab.__version__ == version("leadlab")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        leadlab.nothing  # noqa: B018


def test_load_is_read_pack(tmp_path):
    pack = tiny_pack.tiny_pack(tmp_path)
    assert leadlab.load(tmp_path / "tiny.leadpack").id == pack.id
    with pytest.raises(leadlab.LeadlabError):
        leadlab.load(tmp_path / "absent.leadpack")


def test_the_demo_pack_is_the_shipped_one():
    shipped = Path(leadlab.__file__).parents[1] / "leadlab_edge" / "packs" / "demo.leadpack"
    if not shipped.exists():
        with pytest.raises(PackError, match="No such file"):
            leadlab.demo_pack()
        pytest.skip("the demo pack is not built")
    pack = leadlab.demo_pack()
    model = pack.load()
    assert pack.manifest.provenance.simulated
    assert pack.verify_golden(model) < 0.05
    assert np.isfinite(model.logits(np.zeros(model.n_samples))).all()
