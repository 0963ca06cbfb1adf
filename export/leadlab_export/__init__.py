"""Students, distillation, quantization, packing and the accuracy check."""
