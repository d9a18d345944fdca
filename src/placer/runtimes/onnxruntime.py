"""ONNX Runtime: which execution providers are here, and sessions that tell what ran where."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from placer.core.runtime import (
    EXECUTION_PROVIDERS,
    REMOTE_EXECUTION_PROVIDERS,
    SessionRequest,
    UnavailableError,
    UnsupportedModelError,
    short_ep_name,
)
from placer.runtimes import plugins

MODULE = __name__
"""The name under which a measuring process loads this runtime."""

_REFUSED = (
    "is not a registered function/op",
    "NOT_IMPLEMENTED",
    "Could not find an implementation",
    "ValidateOpsetForDomain",
    "INVALID_GRAPH",
    "Unsupported model IR version",
    "type inference failed",
)
"""What ONNX Runtime says when it is the model that it cannot run."""

_BIT_PATTERN_TYPES = {"bfloat16": "BFLOAT16"}
"""dtypes that numpy lacks: their bits travel as unsigned integers of the same size."""


def load() -> None:
    """Import the runtime, so that its own cost counts neither as session nor as model."""
    import numpy as np
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    del np


def available_eps() -> tuple[str, ...]:
    """Return the short names of the local execution providers that have a device here, CPU last.

    Plugins first; then those of the installed build in ONNX Runtime's own order, which puts the
    most specialised first.
    """
    import onnxruntime

    built_in = (
        short_ep_name(name)
        for name in onnxruntime.get_available_providers()
        if name not in REMOTE_EXECUTION_PROVIDERS
    )
    return tuple(dict.fromkeys((*plugins.usable_eps(), *built_in)))


def why_unavailable(ep: str) -> str | None:
    """Say why an execution provider cannot be timed here; None: the build or a plugin has it."""
    import onnxruntime

    full_name = EXECUTION_PROVIDERS.get(ep, ep)  # a newer build may have one without a short name
    if full_name in onnxruntime.get_available_providers():
        return None
    plugin = plugins.find_plugin(ep)
    if plugin is not None:
        return plugin.why_unusable
    return f"the installed onnxruntime {onnxruntime.__version__} was built without {full_name}"


def runtime_version() -> str:
    """Return ``onnxruntime 1.32.0``."""
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


class OnnxRuntimeSession:
    """A session with bound inputs; see ``placer.core.runtime.RuntimeSession``."""

    def __init__(self, request: SessionRequest) -> None:
        import numpy as np
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        self.runtime = runtime_version()
        self._ep = request.ep
        full_name = EXECUTION_PROVIDERS.get(request.ep, request.ep)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = request.settings.intra_op_threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "1" if request.settings.allow_spinning else "0"
        )
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        provider_options = dict(request.settings.provider_options)
        providers: list[Any] | None = None
        if full_name in onnxruntime.get_available_providers():
            if request.ep == "openvino":  # it has threads of its own, as many as cores unless told
                threads = str(request.settings.intra_op_threads)
                provider_options.setdefault("num_of_threads", threads)
            providers = [(full_name, provider_options)]
            if request.ep != "cpu":
                providers.append("CPUExecutionProvider")
        else:
            options.add_provider_for_devices(_plugin_devices(request.ep), provider_options)
        try:
            # enable_fallback=0: without it a provider that fails is replaced by the CPU.
            self._session = onnxruntime.InferenceSession(
                request.model_path, options, providers=providers, enable_fallback=0
            )
        except Exception as error:
            message = _reason(str(error))
            if any(phrase in str(error) for phrase in _REFUSED):
                raise UnsupportedModelError(message) from error
            raise UnavailableError(message) from error
        if full_name not in self._session.get_providers():
            raise UnavailableError(
                f"onnxruntime could not load {full_name} (its libraries or its device are missing)"
            )
        with np.load(request.inputs_path, allow_pickle=False) as archive:
            self._samples = {name: archive[name] for name in archive.files}
        self._dtypes = dict(request.dtypes)

    def nodes_by_ep(self) -> tuple[tuple[str, int], ...]:
        """Return (short EP name, nodes assigned to it), most nodes first."""
        counts: Counter[str] = Counter()
        for subgraph in self._session.get_provider_graph_assignment_info():
            counts[short_ep_name(subgraph.ep_name)] += len(subgraph.get_nodes())
        if self._ep != "cpu" and counts and not counts[self._ep]:
            raise UnavailableError(
                f"none of the {sum(counts.values())} nodes ran on {self._ep}: all fell back to "
                + ", ".join(counts)
            )
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def fallback(self) -> tuple[tuple[str, int], ...]:
        """Return (operator type, nodes) assigned to other execution providers, most first."""
        counts = Counter(
            node.op_type
            for subgraph in self._session.get_provider_graph_assignment_info()
            if short_ep_name(subgraph.ep_name) != self._ep
            for node in subgraph.get_nodes()
        )
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def outputs(self) -> Mapping[str, Any]:
        """Return what the model gives for every input sample: name -> array (samples, ...)."""
        import numpy as np

        names = [output.name for output in self._session.get_outputs()]
        n_samples = len(next(iter(self._samples.values()))) if self._samples else 1
        found = [
            self._session.run(names, {name: array[index] for name, array in self._samples.items()})
            for index in range(n_samples)
        ]
        return {
            name: np.stack([given[place] for given in found]) for place, name in enumerate(names)
        }

    def prepare(self, index: int) -> None:
        """Do nothing: every sample has inputs of its own."""
        del index

    def runs(self) -> tuple[Callable[[], object], ...]:
        """Return one callable per input sample.

        On the CPU inputs and outputs are bound once, so that only the model is timed. Elsewhere
        the call is ``run``, because binding would hide the copies to and from the device.
        """
        n_samples = len(next(iter(self._samples.values()))) if self._samples else 1
        return tuple(self._run(index) for index in range(n_samples))

    def _run(self, index: int) -> Callable[[], object]:
        import numpy as np
        import onnxruntime

        values = {name: array[index] for name, array in self._samples.items()}
        has_strings = any(value.dtype.kind in "UO" for value in values.values())
        if has_strings:
            values = {
                name: value.astype(object) if value.dtype.kind == "U" else value
                for name, value in values.items()
            }
        if self._ep != "cpu" or has_strings:
            names = [output.name for output in self._session.get_outputs()]
            session = self._session
            return lambda: session.run(names, values)
        binding = self._session.io_binding()
        for name, value in values.items():
            array = np.ascontiguousarray(value)
            onnx_type = _BIT_PATTERN_TYPES.get(self._dtypes.get(name, ""))
            if onnx_type is None:
                ort_value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            else:
                import onnx

                ort_value = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
                    array, getattr(onnx.TensorProto, onnx_type)
                )
            binding.bind_ortvalue_input(name, ort_value)
        for output in self._session.get_outputs():
            binding.bind_output(output.name, "cpu")
        run_bound, session = self._session.run_with_iobinding, binding
        return lambda: run_bound(session)


def _plugin_devices(ep: str) -> list[Any]:
    """Load the plugin with an execution provider and return the first device of its own.

    This process is there to be lost: nothing was probed before.

    Raises
    ------
    UnavailableError
        There is no such plugin, its library does not load, or all its devices are emulated.
    """
    import onnxruntime

    why = f"the installed onnxruntime {onnxruntime.__version__} was built without {ep}"
    for plugin in plugins.installed_plugins():
        if plugin.ep != ep:
            continue
        if plugin.problem is None:
            try:
                devices = plugins.register(plugin.full_name, plugin.library_path)
            except Exception as error:  # ONNX Runtime's own
                why = f"{plugin.distribution} does not load: {_reason(str(error))}"
                continue
            own = [one for one in devices if not plugins.describe_device(one).is_emulated]
            if own:
                return own[:1]
            described = tuple(plugins.describe_device(one) for one in devices)
            plugin = replace(plugin, devices=described)
        why = plugin.why_unusable or why
    raise UnavailableError(why)


def open_session(request: SessionRequest) -> OnnxRuntimeSession:
    """Create the session.

    Raises
    ------
    UnavailableError
        The execution provider cannot be used here.
    UnsupportedModelError
        ONNX Runtime cannot run the model.
    """
    return OnnxRuntimeSession(request)


def _reason(text: str) -> str:
    """Return the first line of what ONNX Runtime says, without what placer says anyway."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", lines[0] if lines else "")
    line = re.sub(r"^Load model from .*? failed: ?", "", line).removeprefix("Fatal error: ")
    return line.rstrip(". ")[:400] or "no reason given"
