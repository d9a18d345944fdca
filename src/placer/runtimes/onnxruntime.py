"""ONNX Runtime: which execution providers are here, and sessions that tell what ran where."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from placer.core.runtime import (
    EXECUTION_PROVIDERS,
    REMOTE_EXECUTION_PROVIDERS,
    MisconfiguredError,
    SessionRequest,
    UnavailableError,
    UnsupportedModelError,
    short_ep_name,
    split_ep,
    stacked,
)
from placer.runtimes import plugins
from placer.runtimes.onnxruntime_log import ERRORS, ErrorLog, reason_of

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

_MEMORY = {"cuda": "cuda", "tensorrt": "cuda", "tensorrt_rtx": "cuda", "dml": "dml"}
"""Short name -> kind of memory in which ONNX Runtime's Python interface binds."""

_PRECISION_HINTS = {
    "tensorrt": ((("trt_fp16_enable", "1"),),),
    "coreml": ((("AllowLowPrecisionAccumulationOnGPU", "1"),),),
}
"""Short name -> options, each a tuple of (key, value)."""

_BIT_PATTERN_TYPES = {"bfloat16": "BFLOAT16"}
"""dtypes that numpy lacks: their bits travel as unsigned integers of the same size."""


def load() -> None:
    """Import the runtime, so that its own cost counts neither as session nor as model.

    Raises
    ------
    UnavailableError
        It is not installed, or its libraries do not load.
    """
    import numpy as np

    try:
        import onnxruntime
    except Exception as error:  # half an installation raises what it likes
        raise UnavailableError(f"onnxruntime does not load: {reason_of(str(error))}") from error
    onnxruntime.disable_telemetry_events()
    del np


def available_eps() -> tuple[str, ...]:
    """Return the short names of the local execution providers that have a device here, CPU last.

    Plugins first; then those of the installed build in ONNX Runtime's own order, which puts the
    most specialised first. One with several devices is there once for each: ``openvino:gpu``.
    """
    import onnxruntime

    built_in = (
        name
        for full_name in onnxruntime.get_available_providers()
        # a plugin that was registered in this process: ``OpenVINOExecutionProvider.AUTO``
        if full_name not in REMOTE_EXECUTION_PROVIDERS and "." not in full_name
        for name in _with_devices(short_ep_name(full_name))
    )
    return tuple(dict.fromkeys((*plugins.usable_eps(), *built_in)))


def _with_devices(ep: str) -> tuple[str, ...]:
    """Return ``openvino:cpu``, ``openvino:gpu``, ... where a built-in one has several devices."""
    devices = plugins.built_in_devices(ep)
    return tuple(f"{ep}:{device}" for device in devices) if len(devices) > 1 else (ep,)


def precision_hints(ep: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return options by which an execution provider may compute less precisely, and faster.

    Each is a tuple of (key, value); empty: none is known, or it does so unasked. From ONNX
    Runtime's pages on TensorRT, CoreML and OpenVINO.
    """
    name, device = split_ep(ep)
    if name == "openvino" and device in (None, "cpu"):
        config = {"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}
        return ((("load_config", json.dumps(config, separators=(",", ":"))),),)
    return _PRECISION_HINTS.get(name, ())


def why_unavailable(ep: str) -> str | None:
    """Say why an execution provider cannot be timed here; None: the build or a plugin has it."""
    import onnxruntime

    name, device = split_ep(ep)
    full_name = EXECUTION_PROVIDERS.get(
        name, name
    )  # a newer build may have one without a short name
    if full_name in onnxruntime.get_available_providers():
        devices = plugins.built_in_devices(name)
        if device is None or device in devices:
            return None
        found = f"it finds {', '.join(devices)}" if devices else "its device is set by options"
        return f"{name} has no device '{device}' to choose here: {found}"
    plugin = plugins.find_plugin(name)
    if plugin is None:
        return f"the installed onnxruntime {onnxruntime.__version__} was built without {full_name}"
    return plugin.why_unusable or plugin.why_without(device)


def runtime_version() -> str:
    """Return ``onnxruntime 1.32.0``."""
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


def optimise(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the graph that ONNX Runtime makes of a model, before it is laid out for a processor.

    Operators are fused and constants folded, as on every execution provider; blocked layouts,
    whose operators have no formulas, are left out.

    Parameters
    ----------
    request
        ``model_path``, ``output_path``.

    Raises
    ------
    UnsupportedModelError
        ONNX Runtime does not run the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = request["output_path"]
    onnxruntime.set_default_logger_severity(4)
    try:
        onnxruntime.InferenceSession(
            request["model_path"], options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise UnsupportedModelError(reason_of(str(error))) from error
    return {}


class OnnxRuntimeSession:
    """A session with bound inputs; see ``placer.core.runtime.RuntimeSession``."""

    def __init__(self, request: SessionRequest) -> None:
        import numpy as np
        import onnxruntime

        self.runtime = runtime_version()
        self.device = ""
        self._ep = request.ep
        self._io = request.settings.io
        self._has_options = bool(request.settings.provider_options)
        self._is_traced = bool(request.trace_prefix)
        self._name, device = split_ep(request.ep)
        full_name = EXECUTION_PROVIDERS.get(self._name, self._name)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS
        options.intra_op_num_threads = request.settings.intra_op_threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "1" if request.settings.allow_spinning else "0"
        )
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if request.trace_prefix:
            options.enable_profiling = True
            options.profile_file_prefix = request.trace_prefix
        if request.optimised_path:
            options.optimized_model_filepath = request.optimised_path
            options.add_session_config_entry(
                "session.optimized_model_external_initializers_file_name",
                f"{Path(request.optimised_path).name}.data",
            )
        provider_options = dict(request.settings.provider_options)
        providers: list[Any] | None = None
        log = ErrorLog()
        onnxruntime.set_default_logger_severity(ERRORS)
        try:
            if full_name in onnxruntime.get_available_providers():
                if self._name == "openvino":
                    provider_options = _with_threads(provider_options, request)
                    kind = device or next(iter(plugins.devices_of_openvino()), "cpu")
                    self.device = provider_options.setdefault("device_type", kind.upper())
                providers = [(full_name, provider_options)]
                if request.ep != "cpu":
                    providers.append("CPUExecutionProvider")
            else:
                chosen = _plugin_device(self._name, device)
                self.device = plugins.describe_device(chosen).label
                if self._name == "openvino" and plugins.describe_device(chosen).kind == "cpu":
                    provider_options = _with_threads(provider_options, request)
                options.add_provider_for_devices([chosen], provider_options)
            # enable_fallback=0: without it a provider that fails is replaced by the CPU.
            self._session = onnxruntime.InferenceSession(
                request.model_path, options, providers=providers, enable_fallback=0
            )
        except UnavailableError:
            raise
        except Exception as error:
            message = reason_of(str(error))
            if any(phrase in str(error) for phrase in _REFUSED):
                raise UnsupportedModelError(message) from error
            raise self._cannot(message) from error
        finally:
            onnxruntime.set_default_logger_severity(4)
        if full_name not in self._session.get_providers():
            why = log.last_error() or "its libraries or its device are missing"
            raise self._cannot(f"onnxruntime could not load {full_name}: {why}")
        self._check_options(full_name, request)
        with np.load(request.inputs_path, allow_pickle=False) as archive:
            self._samples = {name: archive[name] for name in archive.files}
        self._dtypes = dict(request.dtypes)

    def nodes_by_ep(self) -> tuple[tuple[str, int], ...]:
        """Return (short EP name, nodes assigned to it), most nodes first."""
        counts: Counter[str] = Counter()
        for subgraph in self._session.get_provider_graph_assignment_info():
            counts[self._named(subgraph.ep_name)] += len(subgraph.get_nodes())
        if self._ep != "cpu" and not counts:
            raise UnavailableError(
                f"nothing ran on {self._ep}: no node is left of the model after optimisation"
            )
        if self._ep != "cpu" and not counts[self._ep]:
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
            if self._named(subgraph.ep_name) != self._ep
            for node in subgraph.get_nodes()
        )
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def outputs(self) -> Mapping[str, Any]:
        """Return what the model gives for every input sample: name -> array (samples, ...)."""
        names = [output.name for output in self._session.get_outputs()]
        n_samples = len(next(iter(self._samples.values()))) if self._samples else 1
        found = [
            self._session.run(
                names, {name: array[index, ...] for name, array in self._samples.items()}
            )
            for index in range(n_samples)
        ]
        return {
            name: stacked([given[place] for given in found]) for place, name in enumerate(names)
        }

    def executed_by_ep(self) -> tuple[tuple[str, int], ...]:
        """Return (short EP name, kernels that ran on it), most kernels first; ends the session.

        Read from ONNX Runtime's own profile of the runs; each kernel counts once.
        """
        if not self._is_traced:
            return ()
        kernels = {
            (event["name"], event["args"]["provider"])
            for event in self.profile()
            if event.get("cat") == "Node" and event.get("args", {}).get("provider")
        }
        counts = Counter(self._named(provider) for _, provider in kernels)
        if counts and not counts[self._ep]:
            raise UnavailableError(
                f"no kernel ran on {self._ep} although nodes were assigned to it: all ran on "
                + ", ".join(counts)
            )
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def profile(self) -> Sequence[Mapping[str, Any]]:
        """Return the events of ONNX Runtime's own profile of the runs; ends the session."""
        path = Path(self._session.end_profiling())
        try:
            events: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        finally:
            path.unlink(missing_ok=True)
        return events

    def _cannot(self, why: str) -> Exception:
        """Return the error of a session that was not created: its options are suspected first."""
        return MisconfiguredError(why) if self._has_options else UnavailableError(why)

    def _named(self, full_name: str) -> str:
        """Return the short name; of the execution provider asked for, with the device asked for."""
        name = short_ep_name(full_name)
        return self._ep if name == self._name else name

    def _check_options(self, full_name: str, request: SessionRequest) -> None:
        """Raise UnavailableError where the execution provider tells its options and lacks one."""
        taken = self._session.get_provider_options().get(full_name, {})
        for key, value in request.settings.provider_options:
            if taken and key not in taken:
                raise MisconfiguredError(
                    f"{request.ep} did not take the option {key}={value}; it has: "
                    + ", ".join(sorted(taken))
                )
        if taken.get("enable_cuda_graph") == "1" and self._io == "host":
            raise MisconfiguredError(
                "CUDA graphs are replayed on fixed addresses: keep inputs and outputs on the "
                "device with --io device"
            )
        self._is_replayed = taken.get("enable_cuda_graph") == "1"

    def prepare(self, index: int) -> None:
        """Do nothing: every sample has inputs of its own."""
        del index

    def runs(self) -> tuple[Callable[[], object], ...]:
        """Return one callable per input sample.

        On the CPU inputs and outputs are bound once, so that only the model is timed. Elsewhere
        the call is ``run``, because binding would hide the copies to and from the device; with
        ``io="device"`` they are hidden on purpose.
        """
        n_samples = len(next(iter(self._samples.values()))) if self._samples else 1
        if self._is_replayed:  # a graph reads from the addresses that it was captured with
            n_samples = 1
        return tuple(self._run(index) for index in range(n_samples))

    def _run(self, index: int) -> Callable[[], object]:
        import numpy as np
        import onnxruntime

        values = {name: array[index, ...] for name, array in self._samples.items()}
        has_strings = any(value.dtype.kind in "UO" for value in values.values())
        if has_strings:
            values = {
                name: value.astype(object) if value.dtype.kind == "U" else value
                for name, value in values.items()
            }
        place = self._memory() if self._io == "device" and not has_strings else ("cpu", 0)
        if (self._ep != "cpu" and self._io == "host") or has_strings:
            names = [output.name for output in self._session.get_outputs()]
            session = self._session
            return lambda: session.run(names, values)
        binding = self._session.io_binding()
        for name, value in values.items():
            array = np.asarray(value, order="C")  # ascontiguousarray gives a scalar an axis
            onnx_type = _BIT_PATTERN_TYPES.get(self._dtypes.get(name, ""))
            if onnx_type is None:
                ort_value = onnxruntime.OrtValue.ortvalue_from_numpy(array, *place)
            else:
                import onnx

                ort_value = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
                    array, getattr(onnx.TensorProto, onnx_type)
                )
            binding.bind_ortvalue_input(name, ort_value)
        for output in self._session.get_outputs():
            binding.bind_output(output.name, *place)
        run_bound, synchronize = self._session.run_with_iobinding, binding.synchronize_outputs
        if place == ("cpu", 0):
            return lambda: run_bound(binding)

        def run_and_wait() -> None:
            run_bound(binding)
            synchronize()

        return run_and_wait

    def _memory(self) -> tuple[str, int]:
        """Return (kind, number) of the device's memory, as ONNX Runtime binds it.

        Raises
        ------
        MisconfiguredError
            Its memory cannot be bound by ONNX Runtime's Python interface.
        """
        if self._ep == "cpu":
            return "cpu", 0
        kind = _MEMORY.get(self._name)
        if kind is None:
            raise MisconfiguredError(
                f"inputs and outputs cannot be kept on the device of {self._ep}, only on that of "
                f"{', '.join(_MEMORY)}"
            )
        taken = self._session.get_provider_options()
        number = taken.get(EXECUTION_PROVIDERS[self._name], {}).get("device_id", "0")
        return kind, int(number)


def _with_threads(options: dict[str, str], request: SessionRequest) -> dict[str, str]:
    """Tell OpenVINO the threads: it has its own, as many as cores unless told."""
    return {"num_of_threads": str(request.settings.intra_op_threads), **options}


def _plugin_device(ep: str, device: str | None) -> Any:
    """Load the plugin with an execution provider and return its own device, the first of its kind.

    This process is there to be lost: nothing was probed before.

    Raises
    ------
    UnavailableError
        There is no such plugin or device, its library does not load, or the device is emulated.
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
                why = f"{plugin.distribution} does not load: {reason_of(str(error))}"
                continue
            described = tuple(plugins.describe_device(one) for one in devices)
            for found, one in zip(described, devices, strict=True):
                if not found.is_emulated and device in (None, found.kind):
                    return one
            plugin = replace(plugin, devices=described)
        why = plugin.why_unusable or plugin.why_without(device) or why
    raise UnavailableError(why)


def open_session(request: SessionRequest) -> OnnxRuntimeSession:
    """Create the session.

    Raises
    ------
    UnavailableError
        The execution provider cannot be used here.
    MisconfiguredError
        It refuses its options, or to keep inputs and outputs on its device.
    UnsupportedModelError
        ONNX Runtime cannot run the model.
    """
    return OnnxRuntimeSession(request)
