"""Packs: a model with all that a device must know about it, in one verified file."""

from leadlab_edge.pack.golden import Golden, read_golden, write_golden
from leadlab_edge.pack.manifest import (
    Calibration,
    InputSpec,
    Manifest,
    ModelFile,
    Provenance,
)
from leadlab_edge.pack.model import PackModel
from leadlab_edge.pack.pack import Pack, Prediction
from leadlab_edge.pack.parity import Parity
from leadlab_edge.pack.reader import DEVICE_MAX_BYTES, TEACHER_MAX_BYTES, demo_pack, read_pack
from leadlab_edge.pack.trust import Standing, read_trusted_pack
from leadlab_edge.pack.writer import write_pack

__all__ = [
    "DEVICE_MAX_BYTES",
    "TEACHER_MAX_BYTES",
    "Calibration",
    "Golden",
    "InputSpec",
    "Manifest",
    "ModelFile",
    "Pack",
    "PackModel",
    "Parity",
    "Prediction",
    "Provenance",
    "Standing",
    "demo_pack",
    "read_golden",
    "read_pack",
    "read_trusted_pack",
    "write_golden",
    "write_pack",
]
