"""What the wire formats of a cut cost in bytes, time and error, and the smallest allowed one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from placer.core.errors import InputError, UsageError
from placer.core.split import largest_errors
from placer.core.variant import agreement
from placer.core.wire_formats import Array, WireFormat, decode, encode, formats_for, read_header

Arrays = Mapping[str, Array]
Part = Callable[[Arrays], Arrays]
"""Runs one side of a cut on one sample: tensors by name in, tensors by name out."""
Clock = Callable[[], float]
"""Seconds of a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far the outputs are from those of the tail on the tensors as they were."""

    absolute: float
    """The largest difference of a number; infinite where one is not finite and the other is."""
    relative: float
    """The largest difference of an output over the largest number of that output and sample;
    infinite where a whole number of more than 8 bits, as labels and counts are, is another one."""
    agreement_ratio: float
    """Share of answers that are the same: the place of the highest number of a float output, the
    value of any other (``core.variant.agreement``)."""
    agreement_low_ratio: float
    """Its one-sided 95 % bound."""


@dataclass(frozen=True, slots=True)
class FormatResult:
    """One format on real samples."""

    wire_format: WireFormat
    samples: int
    mean_bytes: float
    """Of all messages of a sample, headers included; as the next two."""
    p95_bytes: int
    """The smallest size that 95 % of the samples do not exceed."""
    max_bytes: int
    encode_s: float
    """Median over samples, for all tensors of one; as the next."""
    decode_s: float
    error: OutputError
    is_exact: bool
    """Every tensor of every sample came out bit for bit."""
    unheld_tensors: int
    """Sent wider than the format says, since it cannot hold a number in them."""


@dataclass(frozen=True, slots=True)
class ErrorLimit:
    """What a format may do to the outputs; None: no limit of this kind.

    Without any limit only formats that change nothing may be used.
    """

    absolute: float | None = None
    relative: float | None = None
    agreement_ratio: float | None = None
    """The least; held against the lower bound."""

    def __post_init__(self) -> None:
        for name in ("absolute", "relative", "agreement_ratio"):
            value = getattr(self, name)
            highest = 1.0 if name == "agreement_ratio" else math.inf
            if value is not None and not 0 <= value <= highest:
                raise UsageError(
                    f"the limit of the {name.replace('_', ' ')} is {value}",
                    hint="give a number that is not negative, and no ratio above 1",
                )

    def allows(self, result: FormatResult) -> bool:
        """Tell whether a format keeps every limit that is set."""
        if result.is_exact:
            return True
        error = result.error
        held = [
            found <= limit
            for found, limit in (
                (error.absolute, self.absolute),
                (error.relative, self.relative),
            )
            if limit is not None
        ]
        if self.agreement_ratio is not None:
            held.append(error.agreement_low_ratio >= self.agreement_ratio)
        return bool(held) and all(held)


def measure_formats(
    head: Part,
    tail: Part,
    samples: Iterable[Arrays],
    formats: Sequence[WireFormat] = (),
    *,
    clock_s: Clock,
) -> tuple[FormatResult, ...]:
    """Send what crosses a cut in each format, and compare what the tail makes of it.

    Parameters
    ----------
    head
        Inputs of a sample -> every tensor that crosses, inputs that the tail needs too included.
    tail
        Those tensors -> the outputs.
    samples
        Real ones: size and error depend on them.
    formats
        Empty: all that differ for the tensors that cross.
    clock_s
        Times encoding and decoding, as ``perf_counter``.

    Returns
    -------
    tuple of FormatResult
        In the order of ``formats``.

    Raises
    ------
    InputError
        No samples, or outputs whose names or shapes differ between samples.
    UsageError
        A tensor of a type that cannot be sent.
    """
    runs: list[_Run] = []
    expected: list[Arrays] = []
    for sample in samples:
        crossing = head(sample)
        if not runs:
            dtypes = [array.dtype.name for array in crossing.values()]
            runs = [_Run(one) for one in formats or formats_for(dtypes)]
        expected.append(tail(crossing))
        for run in runs:
            run.send(crossing, tail, clock_s)
    if not expected:
        raise InputError("no samples to send", hint="give at least one real input")
    reference = _stacked(expected)
    return tuple(run.result(reference) for run in runs)


def choose(formats: Sequence[FormatResult], error_limit: ErrorLimit) -> FormatResult | None:
    """Return the smallest format within a limit; None: no format is.

    Smallest is the mean of the bytes, then the most bytes of a sample; ties go to the smaller
    absolute error, then to the name.
    """
    return min(
        filter(error_limit.allows, formats),
        key=lambda one: (
            one.mean_bytes,
            one.max_bytes,
            one.error.absolute,
            one.wire_format.name,
        ),
        default=None,
    )


def smallest_held(
    formats: Sequence[FormatResult], max_error_ratio: float | None
) -> FormatResult | None:
    """Return the smallest format that holds every number of the samples, within a limit.

    Parameters
    ----------
    max_error_ratio
        The most that an output may be off, of its largest number; None: nothing may change.
    """
    held = [one for one in formats if not one.unheld_tensors]
    return choose(held, ErrorLimit(relative=max_error_ratio))


class _Run:
    """One format while its samples are sent."""

    def __init__(self, wire_format: WireFormat) -> None:
        self.wire_format = wire_format
        self.n_bytes: list[int] = []
        self.encode_s: list[float] = []
        self.decode_s: list[float] = []
        self.outputs: list[Arrays] = []
        self.is_exact = True
        self.unheld = 0

    def send(self, crossing: Arrays, tail: Part, clock_s: Clock) -> None:
        start = clock_s()
        messages = {name: encode(array, self.wire_format) for name, array in crossing.items()}
        between = clock_s()
        received = {name: decode(message) for name, message in messages.items()}
        end = clock_s()
        self.encode_s.append(between - start)
        self.decode_s.append(end - between)
        self.n_bytes.append(sum(map(len, messages.values())))
        for name, array in crossing.items():
            self.is_exact &= _bits(array) == _bits(received[name])
            self.unheld += _is_unheld(messages[name], self.wire_format)
        self.outputs.append(tail(received))

    def result(self, reference: Arrays) -> FormatResult:
        ordered = sorted(self.n_bytes)
        return FormatResult(
            wire_format=self.wire_format,
            samples=len(ordered),
            mean_bytes=sum(ordered) / len(ordered),
            p95_bytes=ordered[math.ceil(0.95 * len(ordered)) - 1],
            max_bytes=ordered[-1],
            encode_s=median(self.encode_s),
            decode_s=median(self.decode_s),
            error=_error(reference, _stacked(self.outputs), is_exact=self.is_exact),
            is_exact=self.is_exact,
            unheld_tensors=self.unheld,
        )


def _bits(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def _is_unheld(message: bytes, wire_format: WireFormat) -> bool:
    header = read_header(message)
    allowed = np.dtype(wire_format.precision.value).itemsize
    return header.dtype.startswith("float") and np.dtype(header.wire_dtype).itemsize > allowed


def _stacked(outputs: Sequence[Arrays]) -> dict[str, Array]:
    """Return name -> (samples, *shape)."""
    first = outputs[0]
    for number, one in enumerate(outputs):
        shapes = {name: array.shape for name, array in one.items()}
        if shapes != {name: array.shape for name, array in first.items()}:
            raise InputError(
                f"sample {number} gives outputs of other names or shapes than sample 0",
                hint="give samples of one shape, whose outputs have one shape",
            )
    return {name: np.stack([one[name] for one in outputs]) for name in first}


def _is_label(dtype: np.dtype[np.generic]) -> bool:
    """Tell whether numbers may be labels or counts: another one is wrong, however near."""
    return dtype.kind in "iu" and dtype.itemsize > 1


def _error(reference: Arrays, found: Arrays, *, is_exact: bool) -> OutputError:
    """Return how far outputs are off; one without any number says nothing of a changed tensor."""
    if any(found[name].shape != array.shape for name, array in reference.items()):
        return OutputError(math.inf, math.inf, 0.0, 0.0)
    largest = relative = 0.0
    for name, expected in reference.items():
        if expected.dtype.kind not in "fiub" or not expected.size:
            continue
        if not is_exact and not np.isfinite(expected).reshape(len(expected), -1).any(axis=1).all():
            return OutputError(math.inf, math.inf, 0.0, 0.0)
        difference, ratio = largest_errors(expected, found[name])
        if _is_label(expected.dtype) and difference > 0:
            ratio = math.inf
        largest, relative = max(largest, difference), max(relative, ratio)
    answers = {name: array for name, array in reference.items() if array.size}
    if not answers:
        return OutputError(largest, relative, 1.0, 0.0)
    with np.errstate(invalid="ignore"):  # what is not finite is judged above
        agreed = agreement(answers, found)
    return OutputError(largest, relative, agreed.ratio, agreed.low_ratio)
