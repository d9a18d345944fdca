"""The architecture that a model is said to be: is it of use, and what it is taken for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from placer.api.sites import published_time
from placer.core.compute import Level, NoEstimate
from placer.core.environment import Assumption, Basis, CloudOffer, Device
from placer.core.errors import UsageError
from placer.core.graph import ModelSummary
from placer.core.measured_rows import why_not_on
from placer.core.placement import CloudSite, EdgeSite

if TYPE_CHECKING:
    from placer.core.measured_rows import Published

_LEVELS = (Level.E2, Level.E3)
"""Only published measurements give an estimate of these."""
_HINT = "`placer catalog show DEVICE --sla 20ms` lists what was measured on a device"


def check_sites(published: Published, sites: Sequence[Device | CloudOffer]) -> None:
    """Raise UsageError if the source has nothing on any of these sites: before measuring."""
    names = [site.name for site in sites]
    if any(row.site in names for row in published.rows):
        return
    whys = [why_not_on(published, name) for name in names[:1]]
    raise UsageError(
        f"--as {published.name} answers nothing here: "
        f"{whys[0] if whys else 'this machine is measured, and there is no cloud'}",
        hint=_HINT,
    )


def take_as(
    published: Published,
    device: Device,
    summary: ModelSummary,
    edges: Sequence[EdgeSite],
    clouds: Sequence[CloudSite],
) -> Assumption:
    """Return what the model is taken for, and whose times that gives.

    Raises
    ------
    UsageError
        It gives no site a time; the message says why.
    """
    answered: list[str] = []
    whys: list[str] = []
    known = {row.site for row in published.own}
    sites: list[tuple[Device | CloudOffer, EdgeSite | CloudSite]] = [
        *((device, edge) for edge in edges),
        *((cloud.offer, cloud) for cloud in clouds),
    ]
    # where the source has the model, or nowhere: then the device tells
    told = [one for one in sites if one[0].name in known] or sites[:1]
    for place, site in sites:
        estimate = None if site.time.measurement is not None else site.time.estimate
        what = f"{place.name} ({site.ep})"
        if estimate is not None and estimate.level in _LEVELS:
            factor = f"×/÷ {estimate.high_s / estimate.median_s:.2g}"
            answered.append(f"{what}: {estimate.level}, {factor}, {estimate.source}")
        elif (place, site) in told:
            whys.append(_why_not(published, place, site, summary, what))
    if not answered:
        raise UsageError(
            f"--as {published.name} answers nothing here: {'; '.join(dict.fromkeys(whys))}",
            hint=_HINT,
        )
    return Assumption(
        "architecture",
        published.name,
        "",
        Basis.ASSUMED,
        f"--as: nothing checks that the model, of {summary.n_nodes} nodes, is this one; "
        + "; ".join(dict.fromkeys(answered)),
    )


def _why_not(
    published: Published,
    place: Device | CloudOffer,
    site: EdgeSite | CloudSite,
    summary: ModelSummary,
    what: str,
) -> str:
    if site.time.measurement is not None:
        return f"{what} is measured"
    coverage = site.coverage if isinstance(site, EdgeSite) else None
    model = summary if site.variant is None else site.variant.model
    row = published_time(published, place, model, site.ep, site.variant, coverage)
    return row.reason if isinstance(row, NoEstimate) else f"{what} could not run it"
