"""Variants that placer makes of a model: which precision, and by which method of the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from placer.core.errors import UsageError, near_match
from placer.core.graph import ModelSummary

LARGEST_BYTES = 2 * 1000**3
"""The tools hold a model in one protobuf message, which ends at 2 GiB."""
CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
QUANTISED = frozenset(
    {
        "QuantizeLinear",
        "DynamicQuantizeLinear",
        "ConvInteger",
        "MatMulInteger",
        "QLinearConv",
        "QLinearMatMul",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "QAttention",
        "MatMulIntegerToFloat",
        "MatMulNBits",
    }
)
"""Operators, without their domain, of which one makes a model a quantised one."""


class Precision(StrEnum):
    """What ``--variants`` can make."""

    INT8 = "int8"
    FP16 = "fp16"


class Method(StrEnum):
    """How a variant is made."""

    STATIC = "static"
    """int8 weights and activations, whose ranges come from calibration samples."""
    DYNAMIC = "dynamic"
    """int8 weights; the ranges of activations are found at each run."""
    CONVERTED = "converted"
    """float16 weights and arithmetic; inputs and outputs stay as they are."""


@dataclass(frozen=True, slots=True)
class Made:
    """How a variant was made by placer."""

    precision: Precision
    how: str
    """The tool, its version, the method and what it was calibrated on."""


def parse_precisions(texts: Sequence[str], *, what: str) -> tuple[Precision, ...]:
    """Parse ``int8,fp16``, each once.

    Raises
    ------
    UsageError
        A word that is no precision.
    """
    words = [word.strip() for text in texts for word in text.split(",")]
    known = [one.value for one in Precision]
    for word in words:
        if word.lower() not in known:
            raise UsageError(
                f"{what} '{word}' is unknown{near_match(word, known)}",
                hint=f"one of: {' '.join(known)}; a file of your own: --variant FILE",
            )
    return tuple(dict.fromkeys(Precision(word.lower()) for word in words))


def method_of(precision: Precision, model: ModelSummary) -> Method:
    """Return how a variant of the model is made.

    Source: ONNX Runtime's documentation, "Quantize ONNX models", Method selection: dynamic for
    recurrent networks and transformers, static for convolutional ones,
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    if precision is Precision.FP16:
        return Method.CONVERTED
    operators = {work.op_type for work in model.operators}
    return Method.STATIC if operators & CONVOLUTIONS else Method.DYNAMIC


def is_quantised(op_type: str) -> bool:
    """Tell whether an operator, with or without its domain, is one of a quantised model."""
    name = op_type.rpartition("::")[2]
    return name in QUANTISED or name.startswith("QLinear")


def why_not_made(model: ModelSummary) -> str | None:
    """Say why no variant can be made, as far as the summary shows; None: nothing is against it."""
    quantised = [work.op_type for work in model.operators if is_quantised(work.op_type)]
    if quantised:
        return f"the model is quantised already ({quantised[0]})"
    if model.n_bytes > LARGEST_BYTES:
        return "the model is larger than 2 GB, which ONNX Runtime's tools do not take whole"
    unfit = next((spec.name for spec in model.inputs if spec.dtype == "bfloat16"), None)
    if unfit is not None:
        return f"its input '{unfit}' is bfloat16, in which the tools take no samples"
    return None
