"""The saved recommendation that is verified: read, and refused where it was edited to nonsense."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict
from pathlib import Path

from placer.api import formats
from placer.core.errors import InputError, UsageError
from placer.core.estimate import Candidate, Recommendation, Site
from placer.core.graph import ModelSummary
from placer.core.runtime import parse_ep
from placer.core.settings import settings_of_label
from placer.core.workload import MAX_THREADS

SAVE = "write one with `placer recommend MODEL --save FILE`"
_EDITED = "the file was edited or cut; write it again with --save"


def read_saved(path: str) -> Recommendation:
    """Return a saved answer.

    Raises
    ------
    InputError
        It is none, or says what no recommendation says.
    """
    from placer.files.evidence import read_text
    from placer.reports.json import from_json

    text = read_text(path, hint=SAVE).removeprefix("\ufeff")
    answer = from_json(text, where=path)
    ids = [one.id for one in answer.candidates]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the candidate '{twice}' is listed twice", hint=_EDITED)
    for candidate in answer.candidates:
        wrong = _wrong_time(candidate) or _wrong_site(candidate.sites)
        if wrong is not None:
            raise InputError(f"{path}: {candidate.id}: {wrong}", hint=_EDITED)
    return answer


def not_of_model(where: str, candidate: str, error: UsageError) -> InputError:
    """Return that what an answer says of its model is not so."""
    return InputError(f"{where}: {candidate}: {error.message}", hint=_EDITED)


def _wrong_time(candidate: Candidate) -> str | None:
    """Say which time can be none; None: all can."""
    latency = {} if candidate.latency is None else asdict(candidate.latency)
    for key, value_s in latency.items():
        if isinstance(value_s, float) and (math.isnan(value_s) or value_s < 0):
            return f"latency_s.{key.removesuffix('_s')} is {value_s}, which is no time"
    for target in candidate.targets:
        for key, value in (
            ("value_s", target.value_s), ("low_s", target.low_s), ("high_s", target.high_s)
        ):  # fmt: skip
            if value is not None and (math.isnan(value) or value < 0):
                return f"{key} of the target p{100 * target.percentile:g} is {value}, no time"
        low_s, high_s = target.low_s, target.high_s
        if low_s is not None and high_s is not None and low_s > high_s:
            return (
                f"the target p{100 * target.percentile:g} has low_s {low_s} above high_s {high_s}"
            )
    return None


def _wrong_site(sites: tuple[Site, ...]) -> str | None:
    """Say what the first site, which may be here, cannot run with; None: nothing."""
    from placer.files.specs import NO_EP

    site = next(iter(sites), None)
    if site is None or site.tier > 0 or site.ep == NO_EP:
        return None
    try:
        parse_ep(site.ep or "cpu")
    except UsageError as error:
        return error.message
    settings = None if site.options is None else settings_of_label(site.options)
    if settings is not None and settings.intra_op_threads > MAX_THREADS:
        return f"{settings.intra_op_threads} threads are more than {MAX_THREADS}"
    return None


def read_model(answer: Recommendation, given: str | None, where: str) -> ModelSummary:
    """Read the model of an answer.

    Parameters
    ----------
    given
        Where it is now; None: where the answer says.

    Raises
    ------
    InputError
        It is not there, or is another one.
    """
    path = given or answer.model.path
    if given is None and not Path(path).exists():
        raise InputError(
            f"{path}, the model of {where}, is not there",
            hint="run it in the folder where it was recommended, or say where it is: --model FILE",
        )
    # before it is read: the shapes of the answer are no options that another model could fit
    digest = _digest(path)
    if digest is not None and digest != answer.model.sha256:
        raise _another(path, where, digest, answer)
    shapes = {one.name: one.shape for one in answer.model.inputs}
    try:
        summary = formats.read_model(path, shapes=shapes)
    except UsageError as error:
        raise not_of_model(where, "model", error) from error
    if summary.sha256 != answer.model.sha256 or summary.n_bytes != answer.model.n_bytes:
        raise _another(path, where, summary.sha256, answer, summary.n_bytes)
    return summary


def _digest(path: str) -> str | None:
    """Return the digest of a file; None: it cannot be read, which its reader explains."""
    try:
        if not Path(path).is_file():
            return None
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None


def _another(
    path: str, where: str, digest: str, answer: Recommendation, n_bytes: int | None = None
) -> InputError:
    size = "" if n_bytes is None else f", {n_bytes:,} bytes with external data"
    wanted = "" if n_bytes is None else f" and {answer.model.n_bytes:,}"
    return InputError(
        f"{path} is not the model of {where}: its sha256 is {digest[:12]}{size}, not "
        f"{answer.model.sha256[:12]}{wanted}",
        hint="recommend again with --save, or give the file as it was: --model FILE",
    )
