"""The network path of a question: which one, how it has aged, and where it was measured to."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

from placer.core import environment
from placer.core.environment import ACCESS, Basis, NetworkPath, Place
from placer.core.errors import UsageError

if TYPE_CHECKING:
    pass

DEFAULT_NETWORK = "fiber_100"
FASTEST_NETWORK = "dc_same_zone"
"""The catalogue's fastest path: a verdict of the assumed network must hold on it as well."""
POSSIBLE_NETWORKS = (
    "dc_same_zone",
    "wifi_home_1client",
    "fiber_100",
    "cable_100",
    "5g_sa_lowband",
    "lte_us",
    "starlink_us",
)
"""What an assumed network could turn out to be: the kinds of access that the catalogue has."""


def load_path(
    network: str | None,
) -> tuple[NetworkPath, NetworkPath | None, tuple[NetworkPath, ...]]:
    """Return the path; where nobody stated one, also the fastest one and what it could be."""
    from placer.files import catalogue

    if network is not None:
        return catalogue.load_network(network), None, ()
    assumed = replace(catalogue.load_network(DEFAULT_NETWORK), basis=Basis.ASSUMED)
    possible = tuple(map(catalogue.load_network, POSSIBLE_NETWORKS))
    return assumed, catalogue.load_network(FASTEST_NETWORK), possible


def aged(path: NetworkPath, today: datetime.date) -> NetworkPath:
    """Return a path with its age on a day.

    Raises
    ------
    UsageError
        It was measured after that day.
    """
    if path.measured_at is None:
        return path
    age_days = (today - datetime.date.fromisoformat(path.measured_at)).days
    if age_days < -1:  # the day begins elsewhere before it does in UTC
        raise UsageError(
            f"network '{path.name}': measured_at: {path.measured_at} is no day up to {today}",
            hint="correct the date, or say for which day is asked: --as-of DATE",
        )
    return replace(path, age_days=max(0, age_days))


def load_location(stated: str | None, in_file: str | None, path: NetworkPath) -> Place | None:
    """Return where the device is; None: nobody stated it.

    Parameters
    ----------
    stated, in_file
        A country or a region, as an option and as the workload file says it.

    Raises
    ------
    UsageError
        An unknown place, or one that was asked for and changes nothing.
    """
    from placer.files import catalogue

    text = stated or in_file
    if text is None:
        return None
    place = catalogue.load_place(text, what="place")
    if stated is not None and path.measured_to != ACCESS:
        raise UsageError(
            f"--from has no effect: network '{path.name}' {measured_where(path)}",
            hint="leave it out, or name a network that was measured to a server near the device"
            " (`measured_to: access`)",
        )
    return place


def measured_where(path: NetworkPath) -> str:
    """Say what the round trip of a path was measured to, as the end of a sentence."""
    match path.measured_to:
        case None:
            return "does not say what its round trip was measured to (`measured_to:`)"
        case environment.ACCESS:
            return "was measured to a server near the device"
        case environment.ENDPOINT:
            return "was measured to where the requests go"
        case region:
            return f"was measured to the region {region}"
