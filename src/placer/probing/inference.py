"""Inference over HTTP with the Open Inference Protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import numpy as np

from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError, near_match
from placer.core.graph import TensorSpec
from placer.probing.http import Answer, check_status
from placer.probing.server_time import Counted, of_metrics, of_statistics
from placer.probing.targets import Target
from placer.probing.tensors import HEADER_LENGTH, ModelInput, request_body

Ask = Callable[..., Answer]
"""Asks (method, path, body, headers) over a connection that is kept."""
MAX_RANK, MAX_SIZE = 32, 2**31
"""Of the shapes that a server may tell: what arrays can have."""


def model_path(root: str, model: str) -> str:
    """Return the path of a model under the root of a server."""
    return f"{root}/v2/models/{quote(model, safe='')}"


def root_of(target: Target) -> str:
    """Return what stands before ``/v2`` in the path of a URL, if anything."""
    path = target.path.partition("?")[0].rstrip("/")
    return path[: path.index("/v2")] if path.endswith("/v2") or "/v2/" in path else path


def parsed(answer: Answer) -> object:
    """Return the JSON of an answer; None: it has none, or was not read to its end."""
    return _json(answer.body) if answer.is_whole else None


def _json(text: bytes) -> object:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):  # nested too deep is no JSON of the protocol either
        return None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def server_metadata(answer: Answer) -> dict[str, object] | None:
    """Return what a server says of itself at ``/v2``; None: that is no inference server."""
    body = parsed(answer)
    if answer.status != 200 or not isinstance(body, dict):
        return None
    return body if isinstance(body.get("name"), str) and "version" in body else None


def model_inputs(target: Target, ask: Ask, root: str, model: str) -> tuple[ModelInput, ...]:
    """Return the inputs of a model; none: the server does not tell them.

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
    # one that has a page for everything is asked no more
    known = None if answer.status == 200 else _known_models(ask, root)
    if known is None and (
        answer.status == 200 or server_metadata(ask("GET", f"{root}/v2")) is None
    ):
        said = f"{answer.status}" + (" and what is no metadata" if answer.status == 200 else "")
        raise InputError(
            f"{target.url} does not speak the Open Inference Protocol: {path} is answered with "
            f"{said}",
            hint="give the URL of an inference server; any web server is probed with "
            "`placer network probe` without --model",
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
    """Return the inputs of the metadata of a model; none: it does not tell them.

    Raises
    ------
    InputError
        They make no sense.
    """
    if told == []:
        return ()
    listed = told if isinstance(told, list) else []
    found = [_input_from(one) for one in listed]
    if not found or None in found:
        first = next((one for one in listed if _input_from(one) is None), told)
        raise InputError(
            f"{target.authority} does not tell the inputs of '{model}': {json.dumps(first)[:80]}",
            hint="let its metadata list name, datatype and shape of each input",
        )
    return tuple(one for one in found if one is not None)


def _input_from(one: object) -> ModelInput | None:
    if not isinstance(one, dict):
        return None
    name, datatype, shape = one.get("name"), one.get("datatype"), one.get("shape")
    if not isinstance(name, str) or not isinstance(datatype, str) or not isinstance(shape, list):
        return None
    if len(shape) > MAX_RANK or any(type(n) is not int or abs(n) > MAX_SIZE for n in shape):
        return None
    return ModelInput(name, datatype, tuple(shape))


def _known_models(ask: Ask, root: str) -> list[str] | None:
    """Return the models that a server lists, KServe's way or the repository extension's."""
    answer = ask("GET", f"{root}/v2/models")
    body = parsed(answer)
    if answer.status == 200 and isinstance(body, dict) and isinstance(body.get("models"), list):
        return sorted(str(one) for one in body["models"])
    answer = ask("POST", f"{root}/v2/repository/index", b"{}", {"Content-Type": "application/json"})
    body = parsed(answer)
    if answer.status == 200 and isinstance(body, list):
        return sorted({str(one["name"]) for one in body if isinstance(one, dict) and "name" in one})
    return None


def error_text(answer: Answer) -> str:
    """Return what a server says went wrong, in one line."""
    body = parsed(answer)
    said = body.get("error", body.get("detail", "")) if isinstance(body, dict) else ""
    return " ".join(str(said).split())[:300]


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
    if answer.status == 200:
        if not _is_inference(answer):
            kind = answer.headers.get("content-type", "no Content-Type")
            raise InputError(
                f"{target.authority} answers an inference of '{model}' with 200 and what is no "
                f"answer of the Open Inference Protocol ({kind})",
                hint="check that the URL leads to an inference server",
            )
        return answer
    said = error_text(answer)
    what = f"{target.authority} answers an inference of '{model}' with {answer.status}"
    error: type[PlacerError] = MeasuringError if answer.status >= 500 else InputError
    is_binary = "octet-stream" in headers.get("Content-Type", "")
    hint = "look into the server's log"
    if is_binary and _has_halves(headers, body, said):
        hint = (
            "float16 has no form in JSON: the server must know the binary extension, and answer so"
        )
    elif is_binary:
        hint = "it may not know the binary extension: --encoding json"
    elif answer.status in (401, 403, 407):
        check_status(target, answer, what=f"POST {path}")
    raise error(f"{what}{f': {said}' if said else ''}", hint=hint)


def _has_halves(headers: Mapping[str, str], body: bytes, said: str) -> bool:
    """Tell whether a refused request has float16 in its inputs or, by the server, its outputs."""
    told = document_of({name.lower(): value for name, value in headers.items()}, body)
    inputs = told.get("inputs", ()) if isinstance(told, dict) else ()
    types = {one["datatype"] for one in inputs}
    return not types.isdisjoint(("FP16", "BF16")) or "FP16" in said or "BF16" in said


def _is_inference(answer: Answer) -> bool:
    """Tell whether an answer has outputs; of one too long to be kept its beginning counts."""
    is_cut = answer.n_bytes > len(answer.body)
    if is_cut and HEADER_LENGTH.lower() not in answer.headers:
        return answer.body.lstrip()[:1] == b"{"
    body = document_of(answer.headers, answer.body)
    return isinstance(body, dict) and isinstance(body.get("outputs"), list)


def document_of(headers: Mapping[str, str], body: bytes) -> object:
    """Return the JSON of an inference's answer, which tensors may follow; None: it has none."""
    length = json_bytes(headers)
    return _json(body if length is None else body[:length])


def json_bytes(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes of an answer are its JSON; None: all of them."""
    told = headers.get(HEADER_LENGTH.lower(), "")
    return int(told[:12]) if told.isascii() and told.isdigit() else None


def make_request(
    specs: Sequence[TensorSpec], arrays: Mapping[str, np.ndarray], encoding: str
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an inference. Raises UsageError for an unknown encoding."""
    if encoding not in ("json", "binary"):
        raise UsageError(f"--encoding '{encoding}' is unknown", hint="json or binary")
    return request_body(specs, arrays, is_binary=encoding == "binary")


def counted(ask: Ask, root: str, model: str, note: Callable[[str], None]) -> Counted | None:
    """Return what the server counted so far: its statistics extension, else its metrics."""
    answer = ask("GET", f"{model_path(root, model)}/stats")
    if answer.status == 200:
        body = parsed(answer)
        if (found := of_statistics(body)) is not None:
            return found
        if not answer.is_whole or (isinstance(body, dict) and "model_stats" in body):
            note("the server's statistics make no sense: they are left out")
    answer = ask("GET", f"{root}/metrics")
    if answer.status == 200 and not answer.is_whole:
        note("the server's metrics are too long to be read: they are left out")
        return None
    if answer.status == 200:
        return of_metrics(answer.body.decode("utf-8", "replace"), model)
    return None
