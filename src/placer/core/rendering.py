"""What a manifest leaves to be filled in later: by which tool, and what it may become."""

from __future__ import annotations

import re
from collections.abc import Sequence

from placer.core.deployment import Deployed

FORMAT_OF_SUFFIX = {
    "onnx": "onnx",
    "ort": "onnx",
    "tflite": "tflite",
    "pt": "pytorch",
    "pth": "pytorch",
    "torchscript": "pytorch",
    "mar": "pytorch",
    "safetensors": "safetensors",
    "gguf": "gguf",
    "engine": "tensorrt",
    "plan": "tensorrt",
    "trt": "tensorrt",
    "h5": "keras",
    "keras": "keras",
    "pb": "tensorflow",
    "mlmodel": "coreml",
    "rknn": "rknn",
    "hef": "hef",
    "blob": "openvino",
}
"""File name suffix of a model -> format."""
_HELM = "`helm template CHART | placer check -`, `oc process`"
_TOOLS = {
    "compose": "`docker compose config | placer check -`",
    "iotedge": "`iotedgedev genconfig` writes config/deployment.PLATFORM.json",
    "greengrass": "`gdk component build`, and `publish`, write greengrass-build/recipes",
    "triton": "fill it in, for TensorRT-LLM with its `tools/fill_template.py`",
}
"""Format -> what renders its templates."""
_ARCHIVES = ("greengrass",)
"""Formats in which a URI of anything may stand where others have images alone."""


def render_of(deployed: Deployed) -> str:
    """Return how what something is deployed by is checked with all that is filled in later."""
    return rendered_by(deployed.format)


def rendered_by(format: str) -> str:
    """Return how a manifest of a format is checked with all that is filled in later."""
    return f"check it as it is rendered: {_TOOLS.get(format, _HELM)}"


def image_may_be(parts: Sequence[str], pattern: str, format: str) -> bool:
    """Tell whether an image that is filled in later may become one that a glob means.

    An image is no file of a model and has no scheme, so what a glob of those says is never one; a
    tag and a digest hold no ``/``.

    Parameters
    ----------
    parts
        What stands before, between and behind what is filled in.
    format
        Of the manifest.
    """
    is_image = format not in _ARCHIVES
    if is_image and ("://" in pattern or pattern.rpartition(".")[2].lower() in FORMAT_OF_SUFFIX):
        return False
    tag_at = len(pattern) - len(_tag(pattern)) if is_image else len(pattern)
    reached = _after_stars({0}, pattern)
    for at, part in enumerate(parts):
        if at > 0:
            is_tag = _tag("".join(parts[:at])) and "/" not in "".join(parts[at:])
            reached = _after_gap(reached, pattern, but="/" if is_tag else "")
        for character in part:
            reached = _after(reached, pattern, character)
            if character == "/":
                reached = {one for one in reached if one <= tag_at}
    return len(pattern) in reached


def _tag(image: str) -> str:
    """Return what stands behind the name of an image, with the sign before it."""
    found = re.search(r"[:@].*", image.rpartition("/")[2], re.DOTALL)
    return found[0] if found else ""


def _after(reached: set[int], pattern: str, character: str) -> set[int]:
    """Return how far into a glob one more character of the text may lead."""
    inside = [at for at in reached if at < len(pattern)]
    found = {at for at in inside if pattern[at] == "*"}
    found.update(at + 1 for at in inside if pattern[at] in ("?", character))
    return _after_stars(found, pattern)


def _after_gap(reached: set[int], pattern: str, *, but: str) -> set[int]:
    """Return how far any characters may lead, but for one."""
    found = set(reached)
    for start in reached:
        for at in range(start, len(pattern)):
            if pattern[at] == but:
                break
            found.add(at + 1)
    return found


def _after_stars(reached: set[int], pattern: str) -> set[int]:
    """Add what lies behind stars, which may be nothing."""
    found = set(reached)
    for start in reached:
        at = start
        while at < len(pattern) and pattern[at] == "*":
            at += 1
            found.add(at)
    return found
