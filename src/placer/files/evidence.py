"""Evidence: measurements kept as in-toto Statements, read back under full validation.

The bytes are canonical JSON (sorted keys, no spaces, UTF-8, numbers in their shortest exact
form), and the SHA-256 of the bytes names the evidence. The format is described in
``docs/evidence.md``.

Source: in-toto Attestation Framework, Statement v1; canonical form after RFC 8785.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from placer.core.errors import InputError, MeasuringError, UsageError
from placer.core.measurement import METHOD_VERSION, Measurement, slow_trial
from placer.core.units import format_duration
from placer.files.evidence_spec import PREDICATE_TYPE, STATEMENT_TYPE, StatementSpec
from placer.files.keys import environment_key

MAX_FILE_BYTES = 64 * 2**20
"""No evidence is larger: half a million samples take 6 MB."""

_PREDICATE_FAMILY = PREDICATE_TYPE.rpartition(":")[0] + ":"
_WRITE_AGAIN = "evidence is written by: placer profile MODEL --save FILE"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A measurement read from a file."""

    measurement: Measurement
    site: str | None
    """The device or cloud offer that it was taken on; None: not stated."""
    id: str
    """SHA-256 of the file's bytes, in hex."""
    path: str
    """As given, for messages."""


def to_statement(measurement: Measurement, *, tool: str, site: str | None = None) -> bytes:
    """Return a measurement as a canonical in-toto Statement.

    Parameters
    ----------
    tool
        Name and version of the program that measured, as ``placer 0.1.0``.
    site
        The device or cloud offer that this machine is, for `recommend --evidence`.

    Raises
    ------
    UsageError
        The site is empty or holds control characters.
    MeasuringError
        The measurement holds what evidence may not, such as a sample of zero seconds.
    """
    rounded = _rounded_to_ns(measurement)
    name, _, version = measurement.runtime.partition(" ")
    document = {
        "_type": STATEMENT_TYPE,
        "subject": tuple(
            {"name": name, "digest": {"sha256": sha256}} for name, sha256 in measurement.subjects
        ),
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "site": site,
            "device": measurement.machine,
            "runtime": {
                "name": name,
                "version": version,
                "ep": measurement.ep,
                "nodes_by_ep": dict(measurement.nodes_by_ep),
                "ep_device": measurement.ep_device,
                "fallback": dict(measurement.fallback),
                "executed_by_ep": dict(measurement.executed_by_ep),
                "parity": measurement.parity,
                "settings": measurement.settings,
            },
            "workload": {
                "inputs": tuple(
                    {"name": name, "shape": shape} for name, shape in measurement.input_shapes
                ),
                "input_source": measurement.input_source,
                "gap_s": rounded.gap_s,
            },
            "method": {
                "tool": tool,
                "method_version": measurement.method_version,
                "screened": rounded.screened,
            },
            "results": {"processes": rounded.processes},
            "quality": measurement.instrument,
            "environment_key": environment_key(
                measurement.machine, measurement.runtime, measurement.ep, measurement.settings
            ),
            "measured_at": measurement.measured_at,
        },
    }
    try:
        spec = StatementSpec.model_validate(document)
    except ValidationError as error:
        if error.errors()[0]["loc"] == ("predicate", "site"):
            raise UsageError(
                f"the site {_short(site)} is not a name",
                hint="name the device or cloud offer that this machine is",
            ) from error
        raise MeasuringError(
            f"the measurement cannot be kept as evidence: {_first_problem(error)}",
            hint="measure again; if it stays, report a bug in placer",
        ) from error
    return _canonical(spec.model_dump(by_alias=True))


def from_statement(text: str | bytes, *, path: str) -> Measurement:
    """Read a measurement from a Statement; it is marked as reused.

    Parameters
    ----------
    path
        Where the text comes from, for messages.

    Raises
    ------
    InputError
        Not JSON, not evidence, of a later version, or any value out of place.
    """
    return _parsed(_decoded(text, path), path).measurement


def read_evidence(paths: Sequence[str]) -> tuple[Evidence, ...]:
    """Read each file, and in each directory all ``*.json`` that are evidence, in sorted order.

    JSON that is no evidence is skipped in a directory, but not where a file is named.

    Raises
    ------
    InputError
        A path is missing or unreadable, evidence is invalid or cannot have been measured, or a
        directory has none.
    """
    return tuple(evidence for path in paths for evidence in _read_path(path))


def _read_path(path: str) -> tuple[Evidence, ...]:
    if not _is_directory(path):
        return (to_evidence(read_text(path), path),)
    files = sorted(Path(path).glob("*.json"))
    texts = [(str(file), read_text(str(file))) for file in files if file.is_file()]
    found = tuple(
        to_evidence(text, name) for name, text in texts if _is_evidence(read_json(text, name))
    )
    if not found:
        others = f" ({len(texts)} other JSON files)" if texts else ""
        raise InputError(
            f"{path}: nothing to read, the directory has no evidence{others}", hint=_WRITE_AGAIN
        )
    return found


def _plausible(evidence: Evidence) -> Evidence:
    """Refuse what no measuring gives.

    A date to come, two processes with the same samples, or samples that the trial of settings
    before them belies while nothing disturbed it: placer notes that it was.
    """
    measurement, path = evidence.measurement, evidence.path
    tomorrow = (datetime.now(tz=UTC) + timedelta(days=1)).date()  # clocks and zones differ
    if datetime.fromisoformat(measurement.measured_at).date() > tomorrow:
        raise InputError(
            f"{path}: predicate.measured_at: {measurement.measured_at} is in the future",
            hint="set the clock of the machine that measures, and measure again",
        )
    seen: dict[tuple[float, ...], int] = {}
    for place, run in enumerate(measurement.processes):
        # on a coarse clock short series of one or two values may be equal by chance
        if len(set(run.samples_s)) > 2 and run.samples_s in seen:
            raise InputError(
                f"{path}: predicate.results.processes[{place}].samples_s: the same samples as in "
                f"processes[{seen[run.samples_s]}], so they were copied",
                hint=_WRITE_AGAIN,
            )
        seen.setdefault(run.samples_s, place)
    median_s = statistics.median(measurement.samples_s)
    slow = slow_trial(measurement.screened, measurement.settings, median_s)
    if slow is not None and not measurement.instrument.is_disturbed:
        raise InputError(
            f"{path}: predicate.results: the median of its samples is "
            f"{format_duration(median_s)}, that of the trial of the same settings "
            f"{format_duration(slow.median_s)} (method.screened), and nothing disturbed it",
            hint=_WRITE_AGAIN,
        )
    return evidence


def _is_directory(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False  # reading it tells why


def read_text(path: str, *, hint: str = _WRITE_AGAIN) -> str:
    """Read a file of at most 64 MiB as UTF-8.

    Parameters
    ----------
    hint
        What to do where the file is missing or something else.

    Raises
    ------
    InputError
        Missing, unreadable, a directory, too large, or not UTF-8.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # a path is text as typed
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # it would be waited for
            kind = "pipe" if stat.S_ISFIFO(mode) else "device"
            raise InputError(f"{path}: a {kind}, not a file", hint=hint)
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or directory", hint=hint) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        is_directory = isinstance(error, IsADirectoryError)
        raise InputError(
            f"{path}: cannot be read: {reason.lower()}",
            hint="name a file in it" if is_directory else "check the path and who may read it",
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{path}: larger than 64 MiB, this is no evidence", hint=hint)
    return _decoded(data, path, hint=hint)


def _decoded(text: str | bytes, path: str, *, hint: str = _WRITE_AGAIN) -> str:
    try:
        return text if isinstance(text, str) else text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})", hint=hint) from error


def read_json(text: str, path: str, *, hint: str = _WRITE_AGAIN) -> object:
    """Parse JSON strictly: no key twice in an object, no NaN.

    Raises
    ------
    InputError
        Not JSON, cut off, or nested too deeply.
    """

    def refuse_constant(name: str) -> NoReturn:
        raise InputError(f"{path}: {name} is not a number in JSON", hint=hint)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = dict(pairs)
        if len(keys) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in keys if names.count(name) > 1)
            raise InputError(f"{path}: the key '{twice}' stands twice in one object", hint=hint)
        return keys

    try:
        document: object = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=unique, parse_constant=refuse_constant
        )
    except json.JSONDecodeError as error:
        is_cut = not text[error.pos :].strip() or error.msg.startswith("Unterminated")
        problem = "the JSON ends too early" if is_cut else f"not JSON: {error.msg.lower()}"
        raise InputError(f"{path}:{error.lineno}:{error.colno}: {problem}", hint=hint) from error
    except ValueError as error:
        raise InputError(f"{path}: a number has too many digits", hint=hint) from error
    except RecursionError as error:
        raise InputError(f"{path}: nested too deeply", hint=hint) from error
    return document


def _is_evidence(document: object) -> bool:
    if not isinstance(document, dict) or document.get("_type") != STATEMENT_TYPE:
        return False
    predicate_type = document.get("predicateType")
    return isinstance(predicate_type, str) and predicate_type.startswith(_PREDICATE_FAMILY)


def to_evidence(text: str, path: str) -> Evidence:
    """Read evidence from the text of a file. Raises InputError as from_statement."""
    return _plausible(_parsed(text, path))


def _parsed(text: str, path: str) -> Evidence:
    document = read_json(text, path)
    if not isinstance(document, dict):
        raise InputError(f"{path}: evidence is a JSON object", hint=_WRITE_AGAIN)
    for key, wanted in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        found = document.get(key)
        if found != wanted:
            said = f"is {_short(found)}" if key in document else "is missing"
            raise InputError(
                f"{path}: not evidence of this version: {key} {said}, expected '{wanted}'",
                hint=_WRITE_AGAIN,
            )
    _check_method_version(document, path)
    try:
        spec = StatementSpec.model_validate_json(text.removeprefix("\ufeff"))
    except ValidationError as error:
        raise InputError(f"{path}: {_first_problem(error)}", hint=_WRITE_AGAIN) from error
    sha256 = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return Evidence(spec.to_core(), spec.predicate.site, sha256, path)


def _check_method_version(document: Mapping[str, Any], path: str) -> None:
    """Name a later method before anything that it may have changed."""
    predicate = document.get("predicate")
    method = predicate.get("method") if isinstance(predicate, dict) else None
    version = method.get("method_version") if isinstance(method, dict) else None
    if type(version) is int and version > METHOD_VERSION:
        raise InputError(
            f"{path}: predicate.method.method_version: measured by method {version}, "
            f"this placer knows methods up to {METHOD_VERSION}",
            hint="update placer, or measure again with this one",
        )


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    where = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]
    ).lstrip(".")
    if first["type"] == "missing":
        what = "is missing"
    elif first["type"] == "extra_forbidden":
        what = "is not a key of evidence"
    else:
        what = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        what = what[:1].lower() + what[1:]
        if where and isinstance(first["input"], str | int | float | None):
            what += f", found {_short(first['input'])}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where}: {what}{more}" if where else f"{what}{more}"


def _short(value: object) -> str:
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _rounded_to_ns(measurement: Measurement) -> Measurement:
    """Return the times in whole nanoseconds, as the clock gave them: half the digits."""
    return replace(
        measurement,
        gap_s=round(measurement.gap_s, 9),
        screened=tuple(
            replace(
                tried,
                median_s=round(tried.median_s, 9),
                cpu_s_per_run=None
                if tried.cpu_s_per_run is None
                else round(tried.cpu_s_per_run, 9),
            )
            for tried in measurement.screened
        ),
        processes=tuple(
            replace(
                run,
                samples_s=tuple(round(sample_s, 9) for sample_s in run.samples_s),
                session_creation_s=round(run.session_creation_s, 9),
                first_inference_s=round(run.first_inference_s, 9),
            )
            for run in measurement.processes
        ),
    )


def _canonical(document: object) -> bytes:
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8")
