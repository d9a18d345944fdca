"""Parts of a model run here, in one process: their times, their answers, and formats between."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placer.core.errors import InputError, MeasuringError
from placer.core.leakage import Attack, InputLeakage, Leak, Leakage, Reconstruction
from placer.core.split import OutputDifference
from placer.core.wire_choice import FormatResult, OutputError
from placer.core.wire_formats import Precision, parse_format

if TYPE_CHECKING:
    from placer.onnx_files.inputs import Inputs

ATTACK_LIMIT_S = 60.0
"""For one input and one cut; a thousand pictures of 64 x 64 take a tenth of it."""
Answer = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""File of a model and name -> array of shape (samples, *tensor shape) to its outputs alike."""
LEAST_DEADLINE_S = 60.0
"""A tenth of how long the parts may take to load and run once, however short the measuring is."""


@dataclass(frozen=True, slots=True)
class PartsPlan:
    """A cut whose parts are written."""

    head: str | None
    """File of the part before the cut; None: nothing runs there."""
    tail: str
    tensors: tuple[str, ...]
    """That cross, by name."""
    formats: tuple[Precision, ...]
    """To send them in; at least one."""
    attacked: tuple[str, ...] = ()
    """Inputs of the model that are to be rebuilt from what crosses."""


@dataclass(frozen=True, slots=True)
class PartsRun:
    """The parts of one cut, run here."""

    head_s: float | None
    tail_s: float
    differences: tuple[OutputDifference, ...]
    """From the whole model, with tensors as they are."""
    formats: tuple[FormatResult, ...]
    leakage: tuple[InputLeakage, ...] = ()
    """Of each attacked input."""
    turns_s: tuple[float, ...] = ()
    """Of the head in each round; empty: nothing runs before the cut."""


@dataclass(frozen=True, slots=True)
class PartsRuns:
    """All of them, timed in turns with the whole."""

    whole_s: float
    runs: int
    parts: tuple[PartsRun, ...]
    turns_s: tuple[float, ...] = ()
    """Of the whole in each round."""
    others_cores: float | None = None
    """That other programs used meanwhile; None: the system does not tell."""


@contextmanager
def answering(*, time_limit_s: float) -> Iterator[Answer]:
    """Run models on samples in one process of their own, on the CPU.

    Raises
    ------
    MeasuringError
        From what is yielded: a model could not be run.
    """
    from placer.onnx_files.inputs import Inputs
    from placer.profiling.child import Child, ChildError
    from placer.profiling.outputs import outputs_from
    from placer.runtimes import onnxruntime

    with (
        tempfile.TemporaryDirectory(prefix="placer-") as temporary,
        Child(onnxruntime.MODULE) as child,
    ):
        inputs_path = str(Path(temporary) / "inputs.npz")

        def answer(model: str, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
            Inputs(arrays, (), "split").save(inputs_path)
            path = str(Path(model).resolve())
            try:
                found, _ = outputs_from(
                    child, path, "cpu", inputs_path, (), time_limit_s=time_limit_s
                )
            except ChildError as error:
                raise MeasuringError(f"{model}: {error.message}") from error
            return found

        yield answer


def run_parts(
    model: str,
    plans: Sequence[PartsPlan],
    samples: Inputs,
    *,
    threads: int,
    runs: int,
    limit_s: float,
) -> PartsRuns:
    """Run the parts of cuts on samples, hold them to the whole, and time all in turns.

    Parameters
    ----------
    model
        File of the whole model.
    runs
        Of each part on the first sample; 0: no times, which are 0 then.
    limit_s
        Longest time for the runs in turns.

    Raises
    ------
    InputError
        ONNX Runtime does not run a part.
    MeasuringError
        The measuring process failed.
    """
    from placer.profiling.child import GRACE_S, Child, ChildError
    from placer.profiling.counters import read_counters
    from placer.runtimes import part_times

    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        inputs_path = str(Path(folder) / "inputs.npz")
        samples.save(inputs_path)
        try:
            with Child(part_times.MODULE) as child:
                start = read_counters()
                answer = child.ask(
                    "judge_parts",
                    model_path=str(Path(model).resolve()),
                    inputs_path=inputs_path,
                    plans=[_asked(plan) for plan in plans],
                    threads=threads,
                    runs=runs,
                    limit_s=limit_s,
                    deadline_s=10 * max(limit_s, LEAST_DEADLINE_S)
                    + GRACE_S
                    + sum(ATTACK_LIMIT_S for plan in plans for _ in plan.attacked),
                )
                seen = read_counters().since(start)
        except ChildError as error:
            kind = InputError if error.kind == "unsupported" else MeasuringError
            raise kind(f"{model}: {error.message}") from error
    return PartsRuns(
        whole_s=answer["whole_s"],
        runs=answer["runs"],
        parts=tuple(_run(told) for told in answer["plans"]),
        turns_s=tuple(answer["turns_s"]),
        others_cores=None
        if seen.machine_cpu_s is None
        else max(0.0, seen.machine_cpu_s - seen.cpu_s - answer["cpu_s"]) / seen.wall_s,
    )


def _asked(plan: PartsPlan) -> dict[str, Any]:
    return {
        "head_path": plan.head,
        "tail_path": str(Path(plan.tail).resolve()),
        "tensors": list(plan.tensors),
        "formats": [one.value for one in plan.formats],
        "attacked": list(plan.attacked),
    }


def _run(told: Mapping[str, Any]) -> PartsRun:
    return PartsRun(
        head_s=told["head_s"],
        tail_s=told["tail_s"],
        differences=tuple(OutputDifference(**one) for one in told["differences"]),
        formats=tuple(
            FormatResult(
                **{
                    **one,
                    "wire_format": parse_format(one["wire_format"]),
                    "error": OutputError(**one["error"]),
                }
            )
            for one in told["formats"]
        ),
        leakage=tuple(_leakage(one) for one in told["leakage"]),
        turns_s=tuple(told["turns_s"]),
    )


def _leakage(told: Mapping[str, Any]) -> InputLeakage:
    if "error" in told:
        return InputLeakage(told["input"], Leakage(Leak.NO_CLAIM, told["error"], 0, 0))
    found = told["reconstruction"]
    known = {key: value for key, value in told.items() if key != "input"}
    rebuilt = (
        None if found is None else Reconstruction(**{**found, "attack": Attack(found["attack"])})
    )
    leakage = Leakage(**{**known, "leak": Leak(told["leak"]), "reconstruction": rebuilt})
    return InputLeakage(told["input"], leakage)
