"""Inference over HTTP with the Open Inference Protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import numpy as np

from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError, near_match
from placer.core.graph import TensorSpec
from placer.core.units import format_bytes
from placer.probing.dialing import printable
from placer.probing.http import Answer, check_status
from placer.probing.server_time import Counted, of_metrics, of_statistics
from placer.probing.targets import Target
from placer.probing.tensors import HEADER_LENGTH, ModelInput, request_body

Ask = Callable[..., Answer]
"""Asks (method, path, body, headers) over a connection that is kept."""


def model_path(root: str, model: str) -> str:
    """Return the path of a model under the root of a server."""
    return f"{root}/v2/models/{quote(model, safe='')}"


def root_of(target: Target) -> str:
    """Return what stands before ``/v2`` in the path of a URL, if anything."""
    path = target.path.partition("?")[0].rstrip("/")
    return path[: path.index("/v2")] if path.endswith("/v2") or "/v2/" in path else path


def parsed(answer: Answer) -> object:
    """Return the JSON of an answer; None: it has none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):  # nested without end
        return None


def server_metadata(answer: Answer) -> dict[str, object] | None:
    """Return what a server says of itself at ``/v2``; None: that is no inference server."""
    body = parsed(answer)
    if answer.status != 200 or not isinstance(body, dict):
        return None
    return body if isinstance(body.get("name"), str) and "version" in body else None


def model_inputs(target: Target, ask: Ask, root: str, model: str) -> tuple[ModelInput, ...]:
    """Return the inputs of a model.

    Raises
    ------
    InputError
        The server does not know the model, or does not speak the protocol.
    """
    path = model_path(root, model)
    answer = ask("GET", path)
    if answer.status in (401, 403, 407):
        check_status(target, answer, what=f"GET {path}")
    body = parsed(answer)
    if answer.status == 200 and isinstance(body, dict):
        return inputs_from(target, body.get("inputs"), model)
    known = _known_models(ask, root)
    if known is None and server_metadata(ask("GET", f"{root}/v2")) is None:
        raise InputError(
            f"{target.url} does not speak the Open Inference Protocol: {path} is answered with "
            f"{answer.status}",
            hint="leave out --model to probe it as any web server",
        )
    raise unknown_model(target, model, known, error_text(answer))


def unknown_model(target: Target, model: str, known: Sequence[str] | None, said: str) -> InputError:
    """Return that a server does not know a model, and which ones it knows."""
    if known:
        return InputError(
            f"{target.authority} does not know the model '{model}'{near_match(model, known)}",
            hint=f"it knows: {', '.join(known)}",
        )
    return InputError(
        f"{target.authority} does not know the model '{model}'{f': {said}' if said else ''}",
        hint="it does not list its models: look into its configuration",
    )


def inputs_from(target: Target, told: object, model: str) -> tuple[ModelInput, ...]:
    """Return the inputs of the metadata of a model. Raises InputError where they make no sense."""
    try:
        found = tuple(
            ModelInput(printable(one["name"]), printable(one["datatype"]), _shape(one["shape"]))
            for one in told  # type: ignore[attr-defined]  # else TypeError
        )
    except (TypeError, KeyError, ValueError, OverflowError):
        found = ()
    if not found:
        raise InputError(
            f"{target.authority} does not tell the inputs of '{model}'",
            hint="let its metadata list name, datatype and shape of each input",
        )
    return found


def _shape(told: object) -> tuple[int, ...]:
    """Return a shape; JSON made of protobuf has its numbers as text. Raises as `int` does."""
    if not isinstance(told, list) or any(isinstance(one, bool | float) for one in told):
        raise TypeError
    return tuple(int(one) for one in told)


def _known_models(ask: Ask, root: str) -> list[str] | None:
    """Return the models that a server lists, KServe's way or the repository extension's."""
    answer = ask("GET", f"{root}/v2/models")
    body = parsed(answer)
    if answer.status == 200 and isinstance(body, dict) and isinstance(body.get("models"), list):
        return sorted(printable(str(one)) for one in body["models"])
    answer = ask("POST", f"{root}/v2/repository/index", b"{}", {"Content-Type": "application/json"})
    body = parsed(answer)
    if answer.status == 200 and isinstance(body, list):
        return sorted(
            {printable(str(one["name"])) for one in body if isinstance(one, dict) and "name" in one}
        )
    return None


def error_text(answer: Answer) -> str:
    """Return what a server says went wrong, in one line."""
    body = parsed(answer)
    said = body.get("error", body.get("detail", "")) if isinstance(body, dict) else ""
    return printable(" ".join(str(said).split())[:300])


def infer(
    target: Target,
    ask: Ask,
    root: str,
    model: str,
    body: bytes,
    headers: Mapping[str, str],
) -> Answer:
    """Ask a model once.

    Raises
    ------
    InputError
        The server refuses the request.
    MeasuringError
        It fails.
    """
    path = f"{model_path(root, model)}/infer"
    answer = ask("POST", path, body, headers)
    if answer.status == 200 and not answer.is_whole:
        raise UsageError(
            f"the answer of '{model}' takes more than {format_bytes(answer.n_bytes)}: --max-data "
            "leaves no room for two",
            hint="raise --max-data",
        )
    if answer.status == 200:
        if not _is_inference(answer):
            raise InputError(
                f"{target.authority} answers an inference of '{model}' with no answer of the Open "
                "Inference Protocol",
                hint="look at what stands at the URL; leave out --model to probe any web server",
            )
        return answer
    said = error_text(answer)
    what = f"{target.authority} answers an inference of '{model}' with {answer.status}"
    error: type[PlacerError] = MeasuringError if answer.status >= 500 else InputError
    is_binary = "octet-stream" in headers.get("Content-Type", "")
    hint = "look into the server's log"
    if is_binary:
        hint = "it may not know the binary extension: --encoding json"
    elif answer.status in (401, 403, 407):
        check_status(target, answer, what=f"POST {path}")
    raise error(f"{what}{f': {said}' if said else ''}", hint=hint)


def _is_inference(answer: Answer) -> bool:
    """Tell whether an answer is JSON with outputs, with or without tensors in binary behind it."""
    if answer.n_bytes > len(answer.body):  # not all of it is kept
        return answer.body.lstrip().startswith(b"{")
    length = answer.headers.get(HEADER_LENGTH.lower(), "")
    head = answer.body[: int(length)] if length.isascii() and length.isdigit() else answer.body
    try:
        told = json.loads(head)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and isinstance(told.get("outputs"), list)


def make_request(
    specs: Sequence[TensorSpec], arrays: Mapping[str, np.ndarray], encoding: str
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an inference. Raises UsageError for an unknown encoding."""
    if encoding not in ("json", "binary"):
        raise UsageError(f"--encoding '{encoding}' is unknown", hint="json or binary")
    return request_body(specs, arrays, is_binary=encoding == "binary")


def counted(ask: Ask, root: str, model: str) -> Counted | None:
    """Return what the server counted so far: its statistics extension, else its metrics."""
    answer = ask("GET", f"{model_path(root, model)}/stats")
    if answer.status == 200 and (found := of_statistics(parsed(answer))) is not None:
        return found
    answer = ask("GET", f"{root}/metrics")
    if answer.status == 200:
        return of_metrics(answer.body.decode("utf-8", "replace"), model)
    return None
