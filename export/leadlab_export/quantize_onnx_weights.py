"""ONNX files of smaller weights that compute in float32: half precision, and 8 bits.

Both use standard operators only. ONNX Runtime widens half precision when it loads the file and
8 bits whenever a layer runs, so both save space, the latter memory, too, and activations keep all
their digits. Its own dynamic quantization computes in 8 bits: slower than float32 and less
exact on the full network (benchmarks/full_width_export.py).
"""

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from leadlab_export.to_onnx import front_nodes, tidy

_HAVE_WEIGHTS = ("Conv", "Gemm")  # both keep output channels on the first axis
_LARGEST = 127

Narrow = Callable[[str, NDArray[np.float32], str], tuple[list[onnx.TensorProto], onnx.NodeProto]]


def onnx_fp16(model: bytes) -> bytes:
    """Store the weights of layers in half precision; biases and front end stay float32.

    Parameters
    ----------
    model
        Float32 ONNX file written by ``to_onnx``.
    """
    return _with_weights(model, _half)


def onnx_dynamic(model: bytes) -> bytes:
    """Store the weights of layers in 8 bits, per output channel; all else stays float32.

    They use the full range: no 8-bit product is ever formed that could saturate.

    Parameters
    ----------
    model
        Float32 ONNX file written by ``to_onnx``.
    """
    return _with_weights(model, _int8)


def _with_weights(model: bytes, narrow: Narrow) -> bytes:
    """Replace each weight by a narrow one and the node that widens it."""
    parsed = onnx.load_from_string(model)
    graph = parsed.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    front = set(front_nodes(parsed))
    kept, widening = [], []
    replaced = set()
    for node in graph.node:
        if node.op_type in _HAVE_WEIGHTS and node.name not in front:
            name = node.input[1]
            narrowed, widen = narrow(name, numpy_helper.to_array(tensors[name]), node.name)
            node.input[1] = widen.output[0]
            kept.extend(narrowed)
            widening.append(widen)
            replaced.add(name)
    kept.extend(tensor for tensor in graph.initializer if tensor.name not in replaced)
    nodes = [*widening, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    return tidy(parsed)


def _half(
    name: str, weight: NDArray[np.float32], layer: str
) -> tuple[list[onnx.TensorProto], onnx.NodeProto]:
    narrow = numpy_helper.from_array(weight.astype(np.float16), f"{name}_half")
    widen = helper.make_node(
        "Cast", [narrow.name], [f"{name}_wide"], f"{layer}/widen", to=onnx.TensorProto.FLOAT
    )
    return [narrow], widen


def _int8(
    name: str, weight: NDArray[np.float32], layer: str
) -> tuple[list[onnx.TensorProto], onnx.NodeProto]:
    rows = weight.reshape(len(weight), -1)
    largest = np.abs(rows).max(axis=1)
    scale = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
    steps = np.rint(rows / scale[:, None]).astype(np.int8).reshape(weight.shape)
    tensors = [
        numpy_helper.from_array(steps, f"{name}_steps"),
        numpy_helper.from_array(scale, f"{name}_scale"),
    ]
    widen = helper.make_node(
        "DequantizeLinear",
        [tensor.name for tensor in tensors],
        [f"{name}_wide"],
        f"{layer}/widen",
        axis=0,
    )
    return tensors, widen
