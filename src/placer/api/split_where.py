"""The way to the cloud of a split, which offer it is, and what the whole model takes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from placer.core.errors import UsageError
from placer.core.partition.problem import InfeasibleError

if TYPE_CHECKING:
    from placer.core.compute import ComputeEstimate
    from placer.core.environment import CloudOffer, NetworkPath
    from placer.core.graph import ModelSummary
    from placer.core.placement import CloudSite, Environment
    from placer.core.workload import Workload


@dataclass(frozen=True, slots=True)
class Where:
    """The way to the cloud, and what the whole model takes there."""

    path: NetworkPath
    offer: CloudOffer
    whole_s: float | None
    """An estimate; None: there is none, and only a given cut can be judged by its answers."""
    assumptions: tuple[str, ...]
    """What nobody stated, and what was taken instead."""
    estimate: ComputeEstimate | None = None
    """Of the whole model, with its range."""
    unknown: str = ""
    """Why there is no estimate."""

    @property
    def cloud(self) -> str:
        """Name of the offer, with its region."""
        region = self.offer.region
        return self.offer.name if region is None else f"{self.offer.name}@{region}"


def find_where(
    summary: ModelSummary,
    network: str | None,
    clouds: Sequence[str],
    workload: Workload | None,
    *,
    is_cut_given: bool,
    location: str | None = None,
) -> Where:
    """Return the path and the quickest of the offers that were named, or the usual ones.

    Parameters
    ----------
    workload
        No part of the model goes to an offer that its data policy forbids; None: none is asked.
    is_cut_given
        Nothing is searched for: the time on the cloud may stay unknown.
    location
        Where the device is, as a workload states it; None: not stated.

    Raises
    ------
    UsageError
        Unknown names, or the time of the model on the cloud cannot be estimated.
    InputError
        A file cannot be read.
    InfeasibleError
        The data policy forbids every offer.
    """
    from placer.api.assumptions import ways_on
    from placer.api.offers import load_offers
    from placer.api.paths import DEFAULT_NETWORK, load_location, load_path
    from placer.api.sites import modelled_time
    from placer.core.units import format_duration
    from placer.files import catalogue

    path, _, _ = load_path(network)
    if workload is None:
        offers = tuple(offer for name in clouds for offer in catalogue.load_cloud(name))
        offers = offers or catalogue.default_offers()
    else:
        offers, _ = load_offers(clouds, workload, ())
        offers = _allowed(offers, path, summary, workload)
    times = [(offer, modelled_time(offer, summary, offer.ep, None)) for offer in offers]
    known = [(one.estimate.median_s, offer, one.estimate) for offer, one in times if one.estimate]
    unknown = f"how long the model takes on {offers[0].name} is not known: {times[0][1].source}"
    if not known and not is_cut_given:
        raise UsageError(
            unknown,
            hint="name the place to cut (--cut TENSOR): it is cut, compared and written without an "
            "estimate; or another offer with --cloud",
        )
    found = min(known, key=lambda one: (one[0], one[1].name), default=None)
    whole_s, offer, estimate = found or (None, offers[0], None)
    backbone = catalogue.backbone_to(path, load_location(None, location, path), offer)
    where = Where(replace(path, backbone=backbone), offer, whole_s, (), estimate)
    assumptions = []
    if network is None:
        assumptions.append(f"no --network: {DEFAULT_NETWORK} is assumed")
    if not clouds:
        allowed = " in the regions stated" if workload is not None and workload.regions else ""
        assumptions.append(
            f"no --cloud: {where.cloud}, the {'first' if found is None else 'quickest'} of the "
            f"cheapest offers{allowed}, is assumed"
        )
    assumptions += [
        f"{one.name}: {' '.join(part for part in (one.value, one.unit) if part)}; {one.source}"
        for one in ways_on(
            path, (offer,), (backbone,), place_key="`device: location:` in a workload"
        )
    ]
    if estimate is None or whole_s is None:
        return replace(where, assumptions=tuple(assumptions), unknown=unknown)
    span = f"{format_duration(estimate.low_s)} to {format_duration(estimate.high_s)}"
    assumptions += [
        f"the whole model takes {format_duration(whole_s)} ({span}) on {where.cloud}: "
        f"{estimate.level}, {estimate.source}",
        "a part of it takes there the share of that time that it takes here",
        "requests are binary and one connection is kept",
    ]
    return replace(where, assumptions=tuple(assumptions))


def _allowed(
    offers: Sequence[CloudOffer], path: NetworkPath, summary: ModelSummary, workload: Workload
) -> tuple[CloudOffer, ...]:
    """Return the offers that may take a part of the model, whatever crosses.

    Raises
    ------
    InfeasibleError
        There is none.
    """
    from placer.api.cut_privacy import ABOUT_WHAT_LEAVES, privacy_findings
    from placer.core.finding import Effect

    allowed, why = [], []
    for offer in offers:
        site, environment = site_of(offer, path)
        against = [
            one
            for one in privacy_findings(site, summary, workload, environment)
            if one.effect is Effect.VIOLATED and one.rule != ABOUT_WHAT_LEAVES
        ]
        why += against[:1]
        if not against:
            allowed.append(offer)
    if not allowed:
        others = f"{len(why) - 1} more offer{'s' if len(why) > 2 else ''}"
        more = f", and of {others} none is allowed" if len(why) > 1 else ""
        raise InfeasibleError(
            f"no part of the model may go to the cloud: {why[0].message} ({why[0].rule}){more}",
            hint=why[0].remedy,
        )
    return tuple(allowed)


def site_of(offer: CloudOffer, path: NetworkPath) -> tuple[CloudSite, Environment]:
    """Return an offer and this device, as rules of privacy take them."""
    from placer.api.sites import device_here
    from placer.core.placement import CloudSite, Environment, SiteTime

    site = CloudSite(offer, SiteTime(), backbone=path.backbone)
    return site, Environment(device_here(), path, edges=(), clouds=(site,))
