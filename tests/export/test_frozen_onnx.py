"""The static copy of the full model's network as ONNX."""

import onnxruntime
import torch
from golden_fill import fill

from leadlab_export.quiet import quiet
from leadlab_train.frozen import freeze_for_export
from leadlab_train.net1d import ecgfounder


def test_the_graph_is_plain_and_computes_the_networks_logits() -> None:
    model = ecgfounder(108, width="tiny").eval()
    fill(model)
    x = torch.randn(1, 1, 4999, generator=torch.Generator().manual_seed(1))
    with quiet():
        program = torch.onnx.export(freeze_for_export(model, 4999), (x,), dynamo=True)
    assert program is not None
    operators = {node.op_type for node in program.model_proto.graph.node}
    assert not operators & {"Einsum", "Shape", "Gather", "Transpose"}
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(logits), model(x), atol=1e-4, rtol=0)
