"""Real inferences of a server's model, called one after the other and timed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from placer.core.errors import InputError, PlacerError
from placer.core.graph import TensorSpec
from placer.core.printable import printable
from placer.core.units import format_bytes
from placer.probing.answers import held_to
from placer.probing.dialing import Access, connect, encrypt, look_up, now_s, tls_context
from placer.probing.endpoints import ENDPOINTS
from placer.probing.question import Question
from placer.probing.session import started
from placer.probing.targets import Target
from placer.probing.tensors import DTYPES, ModelInput


@dataclass(frozen=True, slots=True)
class Calls:
    """A server that was greeted and asked once."""

    what: str
    call: Callable[[], float]
    """Ask once more; returns the seconds from the first byte of the request to the last of the
    answer. Raises PlacerError."""
    body_bytes: tuple[int, int]
    """Of a request and of its answer."""
    may_go_on: Callable[[], bool]
    """Whether the bytes that may be moved suffice for another call."""
    apart_ratio: float
    """How far its answer is from what was expected, as a share of the largest number."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model answers here to the tensors that are sent."""

    outputs: Mapping[str, np.ndarray]
    has_values: bool
    """Whether numbers are compared; False: they differ from run to run here as well."""


@contextlib.contextmanager
def calling(
    target: Target,
    access: Access,
    model: str,
    specs: Sequence[TensorSpec],
    arrays: Mapping[str, np.ndarray],
    expected: Expected,
    *,
    encoding: str,
    max_bytes: int,
    limit_s: float,
) -> Iterator[Calls]:
    """Open one connection to a server of the Open Inference Protocol and ask a model.

    Parameters
    ----------
    specs, arrays
        What is sent: the server's model must take the same names, types and shapes, where it tells
        them.
    expected
        What it must answer.
    encoding
        Over HTTP: ``json`` or ``binary``.
    max_bytes
        Moved at most, both ways together.
    limit_s
        When all must be over, from now on.

    Raises
    ------
    MeasuringError
        The server is not reached, stalls or fails.
    InputError
        It speaks another protocol, does not know the model, or the model takes or answers something
        else.
    """

    def given(
        told: Sequence[ModelInput],
    ) -> tuple[Sequence[TensorSpec], Mapping[str, np.ndarray]]:
        # a server that tells no inputs shows by its answer, held to the expected one, what it takes
        fitting = tuple(_fitting(target, model, told, spec) if told else spec for spec in specs)
        if len(told) > len(specs):
            more = ", ".join(sorted({one.name for one in told} - {one.name for one in specs}))
            raise InputError(
                f"{target.authority}: the model '{model}' takes {more} as well, which is no input "
                "of what was recommended",
                hint="name the model that it serves in its place: --endpoint-model, --tail-model",
            )
        found = {spec.name: arrays[spec.name].astype(_numpy(spec)) for spec in fitting}
        return fitting, found

    with _printable_errors():
        access = replace(access, until_s=now_s() + limit_s)
        question = Question(
            *(target, access, limit_s, max_bytes, model, encoding, given), has_outputs=True
        )
        found = started(question)
        addresses = look_up(target, access)
        _, sock, _ = connect(target, addresses, access)
        try:
            if target.is_encrypted:
                alpn = ("h2",) if target.scheme == "grpcs" else ("http/1.1",)
                sock, _ = encrypt(target, sock, tls_context(access, alpn), access)
            with ENDPOINTS[target.scheme](question, found, sock) as endpoint:
                apart_ratio = held_to(
                    *(target, model, found.outputs, expected.outputs),
                    has_values=expected.has_values,
                )
                each = sum(endpoint.call_bytes)
                yield Calls(
                    f"{endpoint.what} at {target.url}",
                    endpoint.call,
                    endpoint.call_bytes,
                    lambda: found.meter.left_bytes > 2 * each,
                    apart_ratio,
                )
        finally:
            sock.close()


@contextlib.contextmanager
def _printable_errors() -> Iterator[None]:
    """Let no text of a server draw on the terminal."""
    try:
        yield
    except PlacerError as error:
        hint = None if error.hint is None else printable(error.hint)
        raise type(error)(printable(error.message), hint=hint) from error


def _numpy(spec: TensorSpec) -> str:
    return "object" if spec.dtype == "string" else spec.dtype


def _fitting(
    target: Target, model: str, told: Sequence[ModelInput], spec: TensorSpec
) -> TensorSpec:
    """Return a tensor in the type that the server takes it in."""
    hint = "name the model that it serves in its place: --endpoint-model, --tail-model"
    one = next((one for one in told if one.name == spec.name), None)
    if one is None:
        names = ", ".join(one.name for one in told)
        raise InputError(
            f"{target.authority}: the model '{model}' has no input '{spec.name}': it takes {names}",
            hint=hint,
        )
    dtype = DTYPES.get(one.datatype, one.datatype)
    is_float = {dtype, spec.dtype} <= {"float16", "float32"}
    if dtype != spec.dtype and not is_float:
        raise InputError(
            f"{target.authority}: the input '{spec.name}' of '{model}' is {dtype}, not "
            f"{spec.dtype}",
            hint=hint,
        )
    fits = len(one.shape) == len(spec.shape) and all(
        size in (-1, wanted) for size, wanted in zip(one.shape, spec.shape, strict=True)
    )
    if not fits:
        shown = ["x".join(map(str, shape)) for shape in (one.shape, spec.shape)]
        raise InputError(
            f"{target.authority}: the input '{spec.name}' of '{model}' is {shown[0]}, not "
            f"{shown[1]}",
            hint=hint,
        )
    return replace(spec, dtype=dtype)


def told_bytes(expected: int | None, found: int) -> str | None:
    """Say where a request is not as large as it was predicted to be; None: it is, within 10 %."""
    if expected is None or abs(found - expected) <= 0.1 * expected + 1000:
        return None
    return f"predicted with requests of {format_bytes(expected)}, called with {format_bytes(found)}"
