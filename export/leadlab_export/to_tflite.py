"""PyTorch to TFLite through litert-torch. TensorFlow is not involved."""

from importlib.util import find_spec
from typing import Any

import torch

from leadlab_export.errors import ExportUnavailable
from leadlab_export.network import Network, input_name, static
from leadlab_export.quiet import quiet
from leadlab_export.to_onnx import FRONT, OUTPUT

SIGNATURE = "serving_default"
_FRONT_CLASS = b"FrontEnd_"


def require_tflite_tools() -> None:
    """Raise unless TFLite files can be made here.

    Raises
    ------
    ExportUnavailable
        If a tool is missing.
    """
    missing = [name for name in ("litert_torch", "ai_edge_quantizer") if find_spec(name) is None]
    if missing:
        raise ExportUnavailable(
            f"{' and '.join(missing)} not installed; TFLite conversion has wheels for Linux x86-64 "
            "and macOS on Apple silicon only. There: pip install 'leadlab[export]'. "
            "The ONNX members of a pack run everywhere"
        )


def to_tflite(network: Network) -> bytes:
    """Convert a network, a student's front end included, to a float32 TFLite model.

    Parameters
    ----------
    network
        Any student; batch norms are folded in a copy. Or a teacher.

    Returns
    -------
    bytes
        TFLite file with one input ``raw_mv`` (of a teacher: ``filtered``) ``(1, n_samples)
        float32`` and one output ``logits`` ``(1, n_labels) float32``; tensors of the front end are
        named ``front/...``.

    Raises
    ------
    ExportUnavailable
        On platforms without the converter.
    """
    require_tflite_tools()
    with quiet():
        import litert_torch

        example = (torch.zeros(1, network.n_samples),)
        model = litert_torch.convert(static(network), example).model_content()
        return _with_short_names(model, input_name(network))


def read_flatbuffer(model: bytes) -> Any:
    """Parse a TFLite file into an editable object."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.read_model_from_bytearray(bytearray(model))


def _with_short_names(model: bytes, source: str) -> bytes:
    """Rename tensors: module paths of hundreds of bytes each are a tenth of an int8 file."""
    from ai_edge_litert.tools import flatbuffer_utils

    parsed = read_flatbuffer(model)
    (graph,), (signature,) = parsed.subgraphs, parsed.signatureDefs
    for index, tensor in enumerate(graph.tensors):
        tensor.name = (FRONT if _FRONT_CLASS in tensor.name else "body").encode() + b"/%d" % index
    for name, tensors, entries in (
        (source, graph.inputs, signature.inputs),
        (OUTPUT, graph.outputs, signature.outputs),
    ):
        graph.tensors[tensors[0]].name = entries[0].name = name.encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(parsed))
