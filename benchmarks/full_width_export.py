"""Export the full-width network to every precision: what each costs in accuracy, time and space.

    python benchmarks/full_width_export.py                     two quiet minutes, 2 GB, one thread
    python benchmarks/full_width_export.py --width tiny        seconds, to see that it runs

The weights are synthetic: random, then scaled so that every convolution gives unit variance and
every logit varies by one standard deviation between records (plain random weights hardly react to
their input, and any quantization looks harmless). Drift is measured against PyTorch on simulated
ECGs that calibration has not seen. Below the files that packs hold stand settings that they never
use, and what those would cost.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from torch import Tensor, nn

from leadlab_edge.runtimes import Format, open_session
from leadlab_edge.signal import ecgfounder_v1
from leadlab_export.models import PRECISIONS, REDUCE
from leadlab_export.quantize_onnx import CalibrationWindows
from leadlab_export.quiet import quiet
from leadlab_export.teacher import Teacher
from leadlab_export.to_onnx import to_onnx
from leadlab_export.to_tflite import SIGNATURE, to_tflite
from leadlab_export.verify import Drift, measure_drift, verify_fp32
from leadlab_train.net1d import WIDTHS, Net1D, ecgfounder
from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.waveform import render

Floats = NDArray[np.float32]
Row = dict[str, float]
Others = Callable[[bytes, Floats], Iterator[tuple[str, bytes]]]
N_LABELS = 108
RESIDUAL_GAIN = 0.7
WARM_UP = 3


def simulate(n: int, seed: int) -> Floats:
    """Return ``(n, 5000)`` simulated windows, mV @ 500 Hz."""
    z = np.random.default_rng(seed).standard_normal((n, len(PARAMETERS)))
    return render(
        z,
        [np.random.default_rng((seed, i)) for i in range(n)],
        rate_hz=500.0,
        duration_s=10.0,
    )


def reactive(width: str, filtered: Floats) -> Net1D:
    """Return a network with random weights whose logits vary by 1 between the given windows."""
    torch.manual_seed(0)
    model = ecgfounder(N_LABELS, width=width).eval()  # type: ignore[arg-type]
    residual = {block.conv3.conv for block in model.modules() if hasattr(block, "conv3")}
    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Linear) and module is not model.dense:
            gain = RESIDUAL_GAIN if module in residual else 1.0
            hooks.append(module.register_forward_hook(_scale(gain)))
    with torch.no_grad():
        features = model.forward_features(torch.from_numpy(filtered)[:, None])
        logits = model.dense(features)
        model.dense.weight /= logits.std(0)[:, None]
        model.dense.bias.copy_((model.dense.bias - logits.mean(0)) / logits.std(0))
    for hook in hooks:
        hook.remove()
    return model


def _scale(gain: float) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    """Return a hook that gives a layer's results a standard deviation, once, by its weights."""

    def scale(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        factor = gain / output.std()
        layer.weight.mul_(factor)  # type: ignore[operator, union-attr]
        layer.bias.mul_(factor)  # type: ignore[operator, union-attr]
        return output * factor

    return scale


def packed(fp32: bytes, format: Format, calibration: Floats) -> Iterator[tuple[str, bytes]]:
    """Yield the files that a pack holds."""
    yield f"{format} fp32", fp32
    for precision in PRECISIONS[1:]:
        yield f"{format} {precision}", REDUCE[format][precision](fp32, calibration)


def unpacked_onnx(fp32: bytes, calibration: Floats) -> Iterator[tuple[str, bytes]]:
    """Yield what ONNX Runtime's tools make with settings that packs never use."""
    parsed = onnx.load_from_string(fp32)
    name = parsed.graph.input[0].name
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "fp32.onnx"), Path(folder, "other.onnx")
        source.write_bytes(fp32)
        for what, activation in (
            ("int8, full range (U8S8)", QuantType.QUInt8),
            ("int8, full range, signed (S8S8)", QuantType.QInt8),
        ):
            with quiet():
                quantize_static(
                    source,
                    target,
                    CalibrationWindows(calibration, name),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=activation,
                    weight_type=QuantType.QInt8,
                    calibrate_method=CalibrationMethod.MinMax,
                )
            yield f"onnx {what}", target.read_bytes()
        with quiet():
            quantize_dynamic(source, target)
        yield "onnx dynamic, computed in int8", target.read_bytes()


def unpacked_tflite(fp32: bytes, calibration: Floats) -> Iterator[tuple[str, bytes]]:
    """Yield what the TFLite quantizer makes with settings that packs never use."""
    with quiet():
        from ai_edge_quantizer import quantizer, recipe, recipe_manager
        from ai_edge_quantizer.calibrator import Calibrator

        def made(settings: object, ranges: object = None) -> bytes:
            result = quantizer.Quantizer(fp32, settings).quantize(ranges)
            return bytes(result.quantized_model)

        name = "filtered"
        static = recipe_manager.RecipeManager()
        static.load_quantization_recipe(recipe.static_wi8_ai8())
        calibrator = Calibrator(fp32, num_threads=1)
        calibrator.calibrate({SIGNATURE: [{name: window[None]} for window in calibration]}, static)
        moving = made(recipe.static_wi8_ai8(), calibrator.get_model_qsvs())
        weights = made(recipe.weight_only_wi8_afp32())
    yield "tflite int8, moving-average calibration", moving
    yield "tflite dynamic, computed in float32", weights


def measure(model: bytes, format: Format, inputs: Floats, expected: Floats) -> tuple[Drift, float]:
    """Return the drift of a file from PyTorch, and its median time in ms on one thread."""
    if format == "tflite" and _is_all_int8(model):
        logits, times = _run_int8(model, inputs)
    else:
        session = open_session(model, format)
        rows, times = [], []
        for window in inputs:
            start = time.perf_counter()
            rows.append(session.run(window[None]).copy())
            times.append(time.perf_counter() - start)
        logits = np.concatenate(rows)
    return measure_drift(expected, logits), 1e3 * float(np.median(times[WARM_UP:]))


def _is_all_int8(model: bytes) -> bool:
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        details = Interpreter(model_content=model).get_input_details()
    return bool(details[0]["dtype"] == np.int8)


def _run_int8(model: bytes, inputs: Floats) -> tuple[Floats, list[float]]:
    """Run a file whose input and output are int8, too."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    (in_scale, in_zero), (out_scale, out_zero) = source["quantization"], result["quantization"]
    rows, times = [], []
    for window in inputs:
        steps = np.clip(np.rint(window[None] / in_scale + in_zero), -128, 127).astype(np.int8)
        start = time.perf_counter()
        interpreter.set_tensor(source["index"], steps)
        interpreter.invoke()
        times.append(time.perf_counter() - start)
        steps = interpreter.get_tensor(result["index"]).astype(np.float32)
        rows.append((steps - out_zero) * out_scale)
    return np.concatenate(rows), times


def rows(teacher: Teacher, calibration: Floats, inputs: Floats) -> Iterator[tuple[str, Row]]:
    """Yield name and figures of every file."""
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(inputs), 1)
        expected = np.concatenate([teacher(x).numpy() for x in batches])
    for format, (convert, others) in FORMS.items():
        fp32 = convert(teacher)
        verify_fp32(teacher, fp32, format, inputs[:8])
        for made in (packed(fp32, format, calibration), others(fp32, calibration)):
            for name, data in made:
                drift, ms = measure(data, format, inputs, expected)
                yield name, {"bytes": len(data), "ms": round(ms, 2), **asdict(drift)}


FORMS: dict[Format, tuple[Callable[[Teacher], bytes], Others]] = {
    "onnx": (to_onnx, unpacked_onnx),
    "tflite": (to_tflite, unpacked_tflite),
}


def main() -> None:
    """Export, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--width", choices=list(WIDTHS), default="full")
    parser.add_argument("--records", type=int, default=100)
    parser.add_argument("--calibration", type=int, default=32)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    calibration = ecgfounder_v1(simulate(arguments.calibration, seed=0))
    inputs = ecgfounder_v1(simulate(arguments.records, seed=1))
    teacher = Teacher(reactive(arguments.width, ecgfounder_v1(simulate(32, seed=2))))
    print(
        f"width {arguments.width}, {sum(p.numel() for p in teacher.parameters()):,} parameters, "
        f"synthetic weights; {arguments.records} simulated records, {arguments.calibration} others "
        "to calibrate; drift from PyTorch\n\n"
        "| file | MB | ms | max abs | mean abs | rank median | rank lowest |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        flush=True,
    )
    figures = {}
    for name, row in rows(teacher, calibration, inputs):
        figures[name] = row
        print(
            f"| {name} | {row['bytes'] / 1e6:.1f} | {row['ms']:.1f} | {row['max_abs']:.2g} | "
            f"{row['mean_abs']:.2g} | {row['rank_median']:.5f} | {row['rank_min']:.4f} |",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
