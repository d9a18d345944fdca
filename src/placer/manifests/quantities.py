"""Amounts as Kubernetes and its kin write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TypeVar

from placer.core.deployment import Defect, Stated
from placer.manifests.nodes import Field

T = TypeVar("T", int, float)

_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})"
    r"(?:[eE](?P<power>[-+]?[0-9]{1,2})|(?P<suffix>[KMGTPE]i|[numkMGTPE]?))"
)
_NO_LIMIT = re.compile(r"[-+]?0*(?:\.0*)?[A-Za-z]{0,3}|-[0-9]+")
"""Zero with or without a unit, or less: Docker and Greengrass take it for no limit."""
DOCKER_REFUSES = "Docker refuses the container"
"""Source: moby, daemon/daemon_unix.go, "Minimum memory limit should be larger than memory
reservation limit"; nothing of it is said of cores."""
_LEAST_BYTES = 2**20
"""No container starts with less."""
_FACTORS = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
"""Source: Kubernetes, `Quantity` of apimachinery/pkg/api/resource (quantity.go)."""


def quantity(text: str) -> Decimal | None:
    """Return the value of ``512Mi``, ``1.5``, ``500m`` or ``1e9``; None: it is no quantity."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number = Decimal(match["number"])
    if match["power"]:
        return number.scaleb(int(match["power"]))
    return number * _FACTORS[match["suffix"]]


def amount_in(field: Field) -> str | None:
    """Return the text of an amount as Kubernetes gets it: of a number in YAML, its value.

    ``0100`` without quotes is 64, and ``1_000`` is 1000.
    """
    whole = field.integer() if field.kind() == "number" else None
    return field.text() if whole is None else str(whole)


def is_milli_by_mistake(text: str) -> bool:
    """Tell whether an amount of memory is milli as nobody means it: ``512m`` is half a byte.

    Kubernetes itself writes ``536870912000m`` for 512 MiB, where it divided an amount.
    """
    value = quantity(text) if text.endswith("m") else None
    return value is not None and 0 < value < _LEAST_BYTES


def bytes_of(field: Field) -> Stated[int] | None:
    """Return an amount of memory; what is no quantity (a template) or mistyped is not known.

    None of it is no limit. Source: Kubernetes CRI, ``LinuxContainerResources``:
    ``memory_limit_in_bytes``, "Default: 0 (not specified)".
    """
    text = amount_in(field) or ""
    value = None if is_milli_by_mistake(text) else quantity(text)
    return None if value is None or value <= 0 else Stated(int(value), field.place())


def unread(read: Stated[int] | Stated[float] | None, *amounts: Field) -> Stated[str] | None:
    """Return the amount that is stated although none could be read; None: there is none.

    Parameters
    ----------
    read
        What could be read of the amounts.
    """
    if read is not None:
        return None
    stated = [one for one in (amount.stated() for amount in amounts) if one is not None]
    return next((one for one in stated if not _NO_LIMIT.fullmatch(one.value.strip())), None)


def least(*stated: Stated[T] | None) -> Stated[T] | None:
    """Return the lowest limit of those that are stated; none of it is no limit."""
    limits = [limit for limit in stated if limit is not None and limit.value > 0]
    return min(limits, key=lambda limit: limit.value, default=None)


def above_limit(
    asked: Field,
    limit: Field,
    read: Callable[[Field], Stated[int] | Stated[float] | None],
    refused: str,
) -> Iterator[Defect]:
    """Yield an amount that is asked for beyond its own limit; not where one cannot be read."""
    wanted, most = read(asked), read(limit)
    if wanted is None or most is None or wanted.value <= most.value:
        return
    given, allowed = ((amount_in(one) or "")[:40] for one in (asked, limit))
    yield Defect(
        "bad_value",
        f"'{asked.name}: {given}' is asked for, and the limit is {allowed}: {refused}",
        f"raise the limit to {given}, or ask for no more than {allowed}",
        asked.place(),
    )


def cpus_of(field: Field) -> Stated[float] | None:
    """Return a number of cores."""
    value = quantity(amount_in(field) or "")
    return None if value is None else Stated(float(value), field.place())


def count_of(field: Field) -> Stated[int] | None:
    """Return a whole number."""
    value = field.integer()
    return None if value is None else Stated(value, field.place())
