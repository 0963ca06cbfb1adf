"""PyTorch to ONNX: one file, batch 1, static shapes, the same bytes every time."""

import ast

import onnx
import torch

from leadlab_export.network import RAW, Network, input_name, static
from leadlab_export.quiet import quiet

OPSET = 18  # what the exporter emits without converting
IR_VERSION = 10  # the newest that ONNX Runtime 1.20 reads
INPUT, OUTPUT = RAW, "logits"
FRONT = "front"  # nodes of the front end are named front/...

_SCOPES = "pkg.torch.onnx.name_scopes"


def to_onnx(network: Network) -> bytes:
    """Convert a network, a student's front end included, to an ONNX model.

    Parameters
    ----------
    network
        Any student; batch norms are folded in a copy. Or a teacher.

    Returns
    -------
    bytes
        ONNX file with input ``raw_mv`` (of a teacher: ``filtered``) ``(1, n_samples) float32`` and
        output ``logits`` ``(1, n_labels) float32``.
    """
    example = torch.zeros(1, network.n_samples)
    with quiet():
        program = torch.onnx.export(
            static(network),
            (example,),
            input_names=[input_name(network)],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _name_nodes(model)
    return tidy(model)


def tidy(model: onnx.ModelProto) -> bytes:
    """Serialise without stack traces, doc strings, inferred shapes and tool versions."""
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "leadlab", ""
    graph = model.graph
    del graph.value_info[:], graph.quantization_annotation[:]
    for item in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    return bytes(model.SerializeToString(deterministic=True))


def front_nodes(model: onnx.ModelProto) -> list[str]:
    """Return the names of the front end's nodes, in order; a teacher's graph has none."""
    return [node.name for node in model.graph.node if node.name.startswith(f"{FRONT}/")]


def _name_nodes(model: onnx.ModelProto) -> None:
    """Name every node after the top-level module it comes from: ``front/Conv_3``."""
    for index, node in enumerate(model.graph.node):
        scopes = {prop.key: prop.value for prop in node.metadata_props}.get(_SCOPES, "[]")
        module = [scope for scope in ast.literal_eval(scopes) if scope][:1]
        node.name = f"{(module or ['main'])[0].partition('.')[0]}/{node.op_type}_{index}"
