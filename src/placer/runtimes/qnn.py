"""Qualcomm's NPUs without an NPU: the package's compiler runs on any x86-64 or arm64 machine.

It tells which nodes would run there. Its times would be those of a simulator: nothing is run.
"""

from __future__ import annotations

import importlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from placer.core.coverage import SOCS
from placer.core.runtime import (
    EXECUTION_PROVIDERS,
    UnavailableError,
    UnsupportedModelError,
    short_ep_name,
)
from placer.runtimes import plugins

MODULE = __name__
"""The name under which a measuring process loads this runtime."""
EP = "qnn"
_REFUSED = re.compile(
    r"Validation FAILED for \d+ nodes in [^\n]*:\n"
    r"(?P<nodes>(?:\tOperator type: [^\n]*\n)+)"
    r"\tREASON : (?P<reason>[^\n]*)"
)
_NODE = re.compile(r"\tOperator type: (?P<op_type>.*?) Node name: (?P<name>.*?) Node index: ")
_SENTENCE = re.compile(r"\.(?=[A-Z])")
_FAILED = re.compile(r"GetCapability\(\) for QNNExecutionProvider failed with error: ([^\n\x1b]*)")
"""ONNX Runtime goes on without the provider, and says so in the log alone."""
_SOC = re.compile(r"SoC model name is (?P<soc>\w+)")


def load() -> None:
    """Import ONNX Runtime."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()


def cover(request: Mapping[str, Any]) -> dict[str, Any]:
    """Compile a model for a chip and say which nodes would run on its NPU.

    Parameters
    ----------
    request
        ``model_path``, ``soc`` (a key of SOCS), ``shapes``: (input, its dimensions) each.

    Raises
    ------
    UnavailableError
        The package is missing or does not load, or took another chip.
    UnsupportedModelError
        ONNX Runtime or the compiler refuses the model.
    """
    import onnxruntime

    plugin = _plugin()
    try:
        devices = plugins.register(plugin.full_name, plugin.library_path)
        package = importlib.import_module("onnxruntime_qnn")
    except Exception as error:  # ONNX Runtime's own
        raise UnavailableError(f"{plugin.distribution} does not load: {error}") from error
    if not devices:
        raise UnavailableError(f"{plugin.distribution} {plugin.version} offers no device here")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 0  # the reasons are told to the log alone
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    for name, size in _symbolic_sizes(request["model_path"], dict(request["shapes"])).items():
        options.add_free_dimension_override_by_name(name, size)
    backend = {
        "backend_path": package.get_qnn_htp_path(),
        "soc_model": str(SOCS[request["soc"]]),
    }
    options.add_provider_for_devices(devices[:1], backend)
    with _captured_log() as log:
        onnxruntime.set_default_logger_severity(0)
        try:
            session = onnxruntime.InferenceSession(request["model_path"], options)
        except Exception as error:  # ONNX Runtime's own
            raise UnsupportedModelError(_told(error)) from error
        finally:
            onnxruntime.set_default_logger_severity(4)
        parts = [
            (part.ep_name, [(node.name, node.op_type) for node in part.get_nodes()])
            for part in session.get_provider_graph_assignment_info()
        ]
        del session
        log.seek(0)
        text = log.read().decode(errors="replace")
    if failed := _FAILED.search(text):
        raise UnavailableError(f"the compiler did not start: {_told(failed[1])}")
    return {
        "runtime": f"onnxruntime {onnxruntime.__version__}, {plugin.distribution} {plugin.version}",
        "soc": _confirmed_soc(text, request["soc"]),
        **_placed(parts, _reasons(text)),
    }


def _symbolic_sizes(model_path: str, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return symbolic dimension -> size: the compiler takes fixed shapes only."""
    import onnx

    graph = onnx.load(model_path, load_external_data=False).graph
    return {
        dimension.dim_param: size
        for info in graph.input
        if info.name in shapes
        for dimension, size in zip(info.type.tensor_type.shape.dim, shapes[info.name], strict=False)
        if dimension.dim_param
    }


def _told(error: Exception | str) -> str:
    """Return the first line of what ONNX Runtime says."""
    line = str(error).strip().partition("\n")[0]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", line)[:400]


def _plugin() -> plugins.Plugin:
    for plugin in plugins.installed_plugins():
        if plugin.full_name == EXECUTION_PROVIDERS[EP]:
            if plugin.problem is not None:
                raise UnavailableError(f"{plugin.distribution} is installed, but {plugin.problem}")
            return plugin
    raise UnavailableError("onnxruntime-qnn is not installed: pip install onnxruntime-qnn")


@contextmanager
def _captured_log() -> Iterator[IO[bytes]]:
    """Send what native code prints to a file."""
    with tempfile.TemporaryFile() as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield log
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _confirmed_soc(log: str, wanted: str) -> str:
    """Return the chip that the compiler says it compiled for; the wanted one if it compiled none.

    Raises
    ------
    UnavailableError
        It compiled for another one.
    """
    found = {match["soc"] for match in _SOC.finditer(log)}
    if found - {wanted}:
        raise UnavailableError(f"asked for {wanted}, the compiler took {', '.join(sorted(found))}")
    return wanted


def _reasons(log: str) -> dict[tuple[str, str], str]:
    """Return (node name, operator type) -> why it was refused, by the last pass over the graph."""
    return {
        (node["name"], node["op_type"]): _SENTENCE.sub(". ", refusal["reason"].strip())
        for refusal in _REFUSED.finditer(log)
        for node in _NODE.finditer(refusal["nodes"])
    }


def _placed(
    parts: Sequence[tuple[str, list[tuple[str, str]]]], reasons: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    covered: Counter[str] = Counter()
    left_out = []
    for ep_name, nodes in parts:
        for name, op_type in nodes:
            if ep_name == EXECUTION_PROVIDERS[EP]:
                covered[op_type] += 1
                continue
            reason = reasons.get((name, op_type), "QNN refuses no such node by itself")
            left_out.append((name, op_type, short_ep_name(ep_name), reason))
    return {
        "covered": sorted(covered.items()),
        "left_out": left_out,
        "n_parts": sum(ep_name == EXECUTION_PROVIDERS[EP] for ep_name, _ in parts),
    }
