"""LiteRT (TensorFlow Lite): sessions that tell which nodes its XNNPACK delegate took."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from placer.core.graph import UNKNOWN_DIMENSION
from placer.core.runtime import SessionRequest, UnavailableError, UnsupportedModelError, stacked

MODULE = __name__
"""The name under which a measuring process loads this runtime."""
NAME = "litert"
DISTRIBUTION = "ai-edge-litert"
HOW_TO_GET = "pip install ai-edge-litert"
EPS = ("xnnpack", "cpu")
"""``xnnpack``: the delegate that LiteRT applies to a CPU by default; ``cpu``: its own kernels."""
PROBE_LIMIT_S = 60.0
"""Longest time for the package to load, on a slow disk."""
_DELEGATE = "DELEGATE"
"""What LiteRT calls the node that stands for those a delegate took."""


def load() -> None:
    """Import the runtime, so that its own cost counts neither as session nor as model.

    Raises
    ------
    UnavailableError
        LiteRT is not installed, or its libraries do not load.
    """
    import numpy as np

    try:
        from ai_edge_litert import interpreter
    except Exception as error:  # native libraries fail in many ways
        raise UnavailableError(f"{DISTRIBUTION} does not load: {_reason(error)}") from error
    del np, interpreter


def installed_version() -> str | None:
    """Return the version of LiteRT's package; None: it is not installed."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None


def available_eps() -> tuple[str, ...]:
    """Return the execution providers that LiteRT has on this machine, its own kernels last."""
    return EPS if why_unavailable("cpu") is None else ()


def why_unavailable(ep: str) -> str | None:
    """Say why an execution provider cannot be used; None: LiteRT is here and has it."""
    if ep not in EPS:
        return f"LiteRT has no execution provider '{ep}'; it has {' and '.join(EPS)}"
    if importlib.util.find_spec("ai_edge_litert") is None:
        return f"{DISTRIBUTION} is not installed: {HOW_TO_GET}"
    return None


def why_unloadable() -> str | None:
    """Load LiteRT in a process of its own and say why it does not; None: it does."""
    why = why_unavailable("cpu")
    if why is not None:
        return why
    try:
        subprocess.run(
            [sys.executable, "-P", "-c", f"import {MODULE} as runtime; runtime.load()"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_LIMIT_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return f"{DISTRIBUTION} did not load within {PROBE_LIMIT_S:g} s"
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        reason = lines[-1].rpartition("does not load: ")[2][:300]
        return f"{DISTRIBUTION} is installed, but does not load: {reason}"
    return None


def runtime_version() -> str:
    """Return ``litert 2.3.0``."""
    return f"{NAME} {installed_version() or 'of unknown version'}"


def precision_hints(ep: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return no options: LiteRT's Python interface has none."""
    del ep
    return ()


class LiteRtSession:
    """A session whose runs can be timed; see ``placer.core.runtime.RuntimeSession``."""

    def __init__(self, request: SessionRequest) -> None:
        why = why_unavailable(request.ep)
        if why is not None:
            raise UnavailableError(why)
        load()
        import numpy as np
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self.runtime = runtime_version()
        self.device = ""
        self._ep = request.ep
        with np.load(request.inputs_path, allow_pickle=False) as archive:
            arrays = [archive[name] for name in archive.files]
        resolver = (
            OpResolverType.BUILTIN
            if request.ep == "xnnpack"
            else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        try:
            self._interpreter = Interpreter(
                model_path=request.model_path,
                num_threads=request.settings.intra_op_threads,
                experimental_op_resolver_type=resolver,
            )
            self._inputs = _allocated(self._interpreter, [array.shape[1:] for array in arrays])
        except (ValueError, RuntimeError) as error:
            raise UnsupportedModelError(_reason(error)) from error
        # LiteRT takes text as bytes
        self._samples = [
            np.char.encode(array, "utf-8") if array.dtype.kind == "U" else array for array in arrays
        ]

    def nodes_by_ep(self) -> tuple[tuple[str, int], ...]:
        """Return (short EP name, nodes that it runs), most nodes first.

        Raises
        ------
        UnavailableError
            The delegate was asked for and took no node.
        """
        counts = Counter(ep for _, ep in self._placed())
        if not counts[self._ep]:
            raise UnavailableError(
                f"none of the {sum(counts.values())} nodes ran on {self._ep}: all were left to "
                "LiteRT's own kernels (cpu)"
            )
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def fallback(self) -> tuple[tuple[str, int], ...]:
        """Return (operator type, nodes) that run elsewhere, most first."""
        counts = Counter(op_type for op_type, ep in self._placed() if ep != self._ep)
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def _placed(self) -> list[tuple[str, str]]:
        """Return (operator type, execution provider) of each node of the file.

        LiteRT keeps the nodes that a delegate took and adds one for all of them. What made its
        outputs, back to its inputs, are those it took.
        """
        # no name for the wrapped interpreter: LiteRT refuses to run while another holds it
        count = self._interpreter._interpreter.NumNodes()
        nodes = [
            (
                self._interpreter._interpreter.NodeName(place),
                [int(one) for one in self._interpreter._interpreter.NodeInputs(place)],
                [int(one) for one in self._interpreter._interpreter.NodeOutputs(place)],
            )
            for place in range(count)
        ]
        own = [place for place, node in enumerate(nodes) if node[0] != _DELEGATE]
        maker = {tensor: place for place in own for tensor in nodes[place][2]}
        taken: set[int] = set()
        for name, inputs, outputs in nodes:
            if name != _DELEGATE:
                continue
            left, outside = list(outputs), set(inputs)
            while left:
                tensor = left.pop()
                place = maker.get(tensor)
                if tensor not in outside and place is not None and place not in taken:
                    taken.add(place)
                    left += nodes[place][1]
        return [(nodes[place][0], "xnnpack" if place in taken else "cpu") for place in own]

    def prepare(self, index: int) -> None:
        """Copy an input sample to where the model reads it."""
        for number, array in zip(self._inputs, self._samples, strict=True):
            self._interpreter.set_tensor(number, array[index, ...])

    def outputs(self) -> Mapping[str, Any]:
        """Return what the model gives for every input sample: place -> array (samples, ...).

        Quantised outputs are told as the real numbers that they stand for, in float32.
        """
        details = self._interpreter.get_output_details()
        found: list[list[Any]] = [[] for _ in details]
        for index, run in enumerate(self.runs()):
            self.prepare(index)
            run()
            for given, detail in zip(found, details, strict=True):
                given.append(_real(self._interpreter.get_tensor(detail["index"]), detail))
        return {str(place): stacked(given) for place, given in enumerate(found)}

    def executed_by_ep(self) -> tuple[tuple[str, int], ...]:
        """Return nothing: LiteRT's Python interface does not tell which kernels ran."""
        return ()

    def runs(self) -> tuple[Callable[[], object], ...]:
        """Return one callable per input sample; ``prepare`` puts the sample into its place.

        What is timed is ``invoke`` alone: inputs are in the memory of the model before it, outputs
        are there after it.
        """
        n_samples = len(self._samples[0]) if self._samples else 1
        return (self._interpreter.invoke,) * n_samples


def _allocated(interpreter: Any, shapes: list[tuple[int, ...]]) -> list[int]:
    """Give the inputs their shapes and the tensors their memory; return the inputs' numbers."""
    details = interpreter.get_input_details()
    for detail, shape in zip(details, shapes, strict=True):
        if tuple(detail["shape"]) != tuple(shape):
            interpreter.resize_tensor_input(detail["index"], shape, strict=True)
    interpreter.allocate_tensors()
    return [detail["index"] for detail in details]


def _real(values: Any, detail: Mapping[str, Any]) -> Any:
    """Return the numbers that a quantised tensor stands for: (integer - zero point) x scale."""
    import numpy as np

    quantisation = detail["quantization_parameters"]
    scales, zeros = quantisation["scales"], quantisation["zero_points"]
    if not len(scales) or values.dtype.kind not in "iu":
        return values
    if len(scales) > 1:
        wide = [1] * values.ndim
        wide[quantisation["quantized_dimension"]] = len(scales)
        scales, zeros = scales.reshape(wide), zeros.reshape(wide)
    return ((values.astype(np.int64) - zeros) * scales).astype(np.float32)


def open_session(request: SessionRequest) -> LiteRtSession:
    """Create the session.

    Raises
    ------
    UnavailableError
        LiteRT or the execution provider cannot be used here.
    UnsupportedModelError
        LiteRT cannot run the model.
    """
    return LiteRtSession(request)


def tensor_shapes(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shapes of all tensors of the first subgraph for given shapes of its inputs.

    Parameters
    ----------
    request
        ``model_path``, and ``shapes`` of the inputs in the order of the model.

    Raises
    ------
    UnsupportedModelError
        LiteRT cannot run the model with these.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(
            model_path=request["model_path"],
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        _allocated(interpreter, [tuple(shape) for shape in request["shapes"]])
    except (ValueError, RuntimeError) as error:
        raise UnsupportedModelError(_reason(error)) from error
    shapes = []
    for index in range(interpreter._interpreter.NumTensors(0)):
        try:
            sizes = interpreter._interpreter.TensorSize(index, 0)
        except (ValueError, RuntimeError):  # memory of a kernel has no shape before it runs
            sizes = (UNKNOWN_DIMENSION,)
        shapes.append([int(size) for size in sizes])
    return {"shapes": shapes}


def _reason(error: Exception) -> str:
    """Return the first line of what LiteRT says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(". ")[:400]
