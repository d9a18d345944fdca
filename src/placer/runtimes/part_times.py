"""Parts of a model against the whole: the same answers, what wire formats do to them, and times.

All run in one process on the same samples. The times are taken in turns, each part once in every
round, so that what slows the machine slows all of them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from placer.core.runtime import UnevenOutputsError, UnsupportedModelError, stacked
from placer.runtimes import onnxruntime
from placer.runtimes.kernel_times import fast_mean, seconds
from placer.runtimes.onnxruntime_log import ERRORS, reason_of

MODULE = __name__
"""The name under which a measuring process loads this runtime."""

WARM_UP_RUNS = 3


def load() -> None:
    """Import the runtime."""
    onnxruntime.load()


def judge_parts(request: Mapping[str, Any]) -> dict[str, Any]:
    """Run heads and tails of a model, compare them with the whole, and time all in turns.

    Parameters
    ----------
    request
        ``model_path``, ``inputs_path`` (.npz, the first axis counts samples), ``threads``,
        ``runs`` (0: no times, which are 0 then), ``limit_s`` and ``plans``: for each ``head_path``
        (null: nothing runs before the cut), ``tail_path``, ``tensors`` (names of what crosses),
        ``formats`` (names) and ``attacked`` (inputs to rebuild from what crosses).

    Returns
    -------
    ``whole_s``; ``runs``; ``turns_s``, the whole in each round; ``cpu_s`` of this process; for each
    of ``plans`` ``head_s``, ``turns_s``, the head in each round, ``tail_s``, ``differences`` (of
    ``output_differences``, sent as they are), ``formats`` (of ``measure_formats``) and ``leakage``
    (of ``judge_leakage`` for each of ``attacked``, or ``error``, why it was not judged). Times are
    means of the fastest tenth; with one thread CPU time.

    Raises
    ------
    UnsupportedModelError
        ONNX Runtime does not run a part.
    """
    import numpy as np

    start_cpu_s = time.process_time()
    with np.load(request["inputs_path"], allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    count = len(next(iter(arrays.values()))) if arrays else 1
    samples = [{name: array[at, ...] for name, array in arrays.items()} for at in range(count)]
    threads = request["threads"]
    whole = _Session(request["model_path"], threads)
    expected = [whole.run(sample) for sample in samples]
    answers = {name: stacked([one[name] for one in expected]) for name in whole.outputs}
    judged, places, timed = [], [], [_Timed(whole, samples[0])]
    for plan in request["plans"]:
        head = None if plan["head_path"] is None else _Session(plan["head_path"], threads)
        tail = (
            whole
            if plan["tail_path"] == request["model_path"]
            else _Session(plan["tail_path"], threads)
        )
        judged.append(_judged(plan, head, tail, samples, answers))
        first = samples[0] if head is None else {**samples[0], **head.run(samples[0])}
        if head is not None:
            timed.append(_Timed(head, samples[0]))
        if tail is not whole:
            timed.append(_Timed(tail, first))
        places.append((head, tail))
    times_s = _in_turns(timed, threads, request["runs"], request["limit_s"])
    turns_s = {one.session.path: times for one, times in zip(timed, times_s, strict=True)}
    found = {one.session.path: fast_mean(times) for one, times in zip(timed, times_s, strict=True)}
    for one, (head, tail) in zip(judged, places, strict=True):
        one["head_s"] = None if head is None else found[head.path]
        one["tail_s"] = found[tail.path]
        one["turns_s"] = [] if head is None else turns_s[head.path]
    return {
        "whole_s": found[whole.path],
        "turns_s": turns_s[whole.path],
        "cpu_s": time.process_time() - start_cpu_s,
        "runs": len(times_s[0]),
        "plans": judged,
    }


class _Session:
    """A model that runs one sample at a time."""

    def __init__(self, path: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        onnxruntime.set_default_logger_severity(4)
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has a kind of its own for each failure
            raise UnsupportedModelError(f"{path}: {reason_of(str(error))}") from error
        self.path = path
        self.inputs = tuple(value.name for value in self._session.get_inputs())
        self.outputs = tuple(value.name for value in self._session.get_outputs())

    def run(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs by name; tensors that it does not take may be given as well."""
        found = self._session.run(self.outputs, {name: known[name] for name in self.inputs})
        return dict(zip(self.outputs, found, strict=True))


class _Timed:
    """A session with the tensors of one sample."""

    def __init__(self, session: _Session, known: Mapping[str, Any]) -> None:
        self.session = session
        self._feed = {name: known[name] for name in session.inputs}

    def __call__(self) -> object:
        return self.session.run(self._feed)


def _judged(
    plan: Mapping[str, Any],
    head: _Session | None,
    tail: _Session,
    samples: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Any],
) -> dict[str, Any]:
    from placer.core.split import output_differences
    from placer.core.wire_choice import measure_formats
    from placer.core.wire_formats import parse_format

    made = [{} if head is None else head.run(sample) for sample in samples]
    known = [{**sample, **one} for sample, one in zip(samples, made, strict=True)]
    given = [{**before, **tail.run(before)} for before in known]
    parts = {name: stacked([one[name] for one in given]) for name in answers}
    crossing = [{name: one[name] for name in plan["tensors"]} for one in known]
    formats = measure_formats(
        lambda sent: sent,  # the head ran above
        tail.run,
        crossing,
        tuple(map(parse_format, plan["formats"])),
        clock_s=_clock_s,
    )
    return {
        "differences": [asdict(one) for one in output_differences(answers, parts)],
        "formats": [{**asdict(one), "wire_format": one.wire_format.name} for one in formats],
        "leakage": [_attacked(name, samples, crossing) for name in plan["attacked"]],
    }


def _attacked(
    name: str, samples: Sequence[Mapping[str, Any]], crossing: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Try to rebuild an input of all samples from what crosses for them."""
    from placer.core.errors import InputError
    from placer.core.leakage import judge_leakage

    def over_samples(all_of_them: Sequence[Mapping[str, Any]], which: str) -> Any:
        array = stacked([one[which] for one in all_of_them])
        return array[:, 0] if array.ndim > 2 and array.shape[1] == 1 else array

    try:
        found = judge_leakage(
            over_samples(samples, name), [over_samples(crossing, one) for one in crossing[0]]
        )
    except (InputError, UnevenOutputsError) as error:
        return {"input": name, "error": str(error)}
    return {"input": name, **asdict(found)}


def _clock_s() -> float:
    return time.perf_counter_ns() / 1e9


def _in_turns(
    timed: Sequence[Callable[[], object]], threads: int, runs: int, limit_s: float
) -> list[list[float]]:
    clock_ns = time.thread_time_ns if threads == 1 else time.perf_counter_ns
    times_s: list[list[float]] = [[] for _ in timed]
    if not runs:
        return times_s
    start_ns = time.perf_counter_ns()
    for _ in range(WARM_UP_RUNS):
        for run in timed:
            run()
        if time.perf_counter_ns() - start_ns > limit_s / 4 * 1e9:
            break
    gc_was_enabled = gc.isenabled()
    gc.disable()
    try:
        start_ns = time.perf_counter_ns()
        while len(times_s[-1]) < runs:
            for run, times in zip(timed, times_s, strict=True):
                times.append(seconds(run, clock_ns))
            if time.perf_counter_ns() - start_ns > limit_s * 1e9:
                break
    finally:
        if gc_was_enabled:
            gc.enable()
    return times_s
