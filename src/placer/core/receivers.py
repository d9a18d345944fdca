"""What a project says of a receiver of data."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.deployment import Egress
from placer.core.globs import globbed
from placer.core.hosts import host_of, is_in_cluster, is_same_host, scheme_of
from placer.core.project import Project, names, templates_in

_OF_SERVICES = ("http", "https", "grpc", "grpcs")


@dataclass(frozen=True, slots=True)
class Receiver:
    """What all entries of a project together say of one receiver of data."""

    jurisdiction: str | None
    """None: no entry states it, or they differ."""
    carries: str | None
    """Likewise."""
    disputed: tuple[str, ...] = ()
    """``jurisdiction (DE, US)``: in what the entries differ."""


def receiver_of(egress: Egress, project: Project) -> Receiver:
    """Return what the project says of a receiver: each entry that fits adds what it states."""
    to = egress.to.value
    # a topic of a broker may begin with $
    is_topic = to.startswith("$") and not to.startswith(("$(", "${")) and not egress.is_open
    found = [
        entry
        for entry in project.egress
        if (globbed(to, entry.to) if is_topic else names(entry.to, to))
    ]
    laws = sorted({one.jurisdiction for one in found if one.jurisdiction is not None})
    carried = sorted({one.carries for one in found if one.carries is not None})
    return Receiver(
        laws[0] if len(laws) == 1 else None,
        carried[0] if len(carried) == 1 else None,
        tuple(
            f"{name} ({', '.join(stated)})"
            for name, stated in (("jurisdiction", laws), ("carries", carried))
            if len(stated) > 1
        ),
    )


def carried(egress: Egress, entry: Receiver) -> str:
    """Return what goes by a way: an entry of the project adds to what the manifest says of it.

    It takes nothing off that: raw input that the manifest sends stays raw input.
    """
    if egress.carries == "messages":
        return entry.carries or egress.carries
    return egress.carries if entry.carries in (None, "answer") else entry.carries


def contradiction(egress: Egress, entry: Receiver, path: str) -> str:
    """Return the clause that tells where an entry takes raw input for answers; else nothing.

    Parameters
    ----------
    path
        Of the project's file.
    """
    if entry.carries != "answer" or carried(egress, entry) == "answer":
        return ""
    said = f"`{egress.said}`" if egress.said else "the manifest"
    return f"; `carries: answer` of {path} is contradicted by {said}"


def is_inside(egress: Egress) -> bool:
    """Tell whether a receiver is in the same cluster: a service name without a public domain."""
    host = host_of(egress.to.value)
    if host is None or templates_in(host) or scheme_of(egress.to.value) not in _OF_SERVICES:
        return False
    return is_in_cluster(host, egress.namespace) or is_same_host(host) or host.endswith(".local")
