"""Limits of cores as Docker has them: amounts, quotas of a period, and cores by number."""

from __future__ import annotations

import re
from collections.abc import Sequence

from placer.core.deployment import Stated
from placer.manifests.nodes import Field
from placer.manifests.quantities import least, unread

_PERIOD_US = 100_000
"""Source: Docker Engine, ``docker run --cpu-period``: 100 ms where nothing else is said."""
_TIME = re.compile(r"(?P<number>[0-9]{1,15})(?P<unit>us|ms|s)?")
_US = {None: 1, "us": 1, "ms": 1_000, "s": 1_000_000}
_RANGE = re.compile(r"(?P<first>[0-9]{1,4})(?:-(?P<last>[0-9]{1,4}))?")


def limit_of_cores(
    amounts: Sequence[tuple[Field, Stated[float] | None]],
    *,
    quota: Field,
    period: Field,
    cores: Field,
) -> tuple[Stated[float] | None, Stated[str] | None]:
    """Return the lowest limit of cores, and one that is stated and cannot be read.

    Parameters
    ----------
    amounts
        Numbers of cores, each with what was read of it.
    quota, period
        Microseconds in which the cores may be used, and of how many.
    cores
        Those that may be used, by number: ``0-2,4``.
    """
    read = [*amounts, (quota, _of_quota(quota, period)), (cores, _of_set(cores))]
    open_ = (unread(limit, field) for field, limit in read)
    hidden = next((one for one in open_ if one is not None), None)
    if hidden is None and quota and _time_us(quota):
        hidden = unread(None, period) if not _time_us(period) else None
    return least(*(limit for _, limit in read)), hidden


def _of_quota(quota: Field, period: Field) -> Stated[float] | None:
    quota_us, period_us = _time_us(quota), _time_us(period) if period.text() else _PERIOD_US
    return Stated(quota_us / period_us, quota.place()) if quota_us and period_us else None


def _time_us(field: Field) -> int | None:
    match = _TIME.fullmatch(field.text() or "")
    return None if match is None else int(match["number"]) * _US[match["unit"]]


def _of_set(field: Field) -> Stated[float] | None:
    """Return the number of cores of a list such as ``0-2,4``."""
    chosen: set[int] = set()
    for part in (field.text() or "").split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            return None
        first = int(match["first"])
        chosen.update(range(first, int(match["last"] or first) + 1))
    return Stated(float(len(chosen)), field.place()) if chosen else None
