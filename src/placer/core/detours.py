"""What each request passes before it comes to a model, where that stands on another site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from placer.core.deployment import Deployed, Place, Tier
from placer.core.estimate import Candidate, Verdict
from placer.core.project import DeclaredSite, Project, SiteEntry


@dataclass(frozen=True, slots=True)
class Detour:
    """What each request passes before the model, on another site than that."""

    what: str
    """``transformer`` or ``router``."""
    before: str
    """What it passes them on to: ``the predictor runs``."""
    place: Place
    """Where the manifest says its place."""
    site: SiteEntry
    way: Candidate | None = None
    """The way there and back alone, as a placement whose time there is not known; None: it leads
    to a device, or what it would be judged by is not there."""

    @property
    def is_violated(self) -> bool:
        """Whether the way alone takes longer than a target allows."""
        targets = () if self.way is None else self.way.targets
        return any(one.verdict is Verdict.VIOLATED for one in targets)


def detour_of(
    deployed: Deployed,
    site: DeclaredSite,
    project: Project,
    sites: Mapping[tuple[str, str], SiteEntry],
) -> Detour | None:
    """Return what each request passes on another site; None: nothing, as far as that is known.

    Parameters
    ----------
    sites
        (path, id) of what is deployed -> its site, where known.
    """
    if deployed.is_router:
        called = [sites[one] for one in deployed.calls if one in sites]
        router = Detour("router", "its services run", site.place, site.entry)
        return router if any(_is_detour(site.entry, one) for one in called) else None
    for way in deployed.egress:
        if way.kind == "transformer" and way.site is not None:
            there = project.site_named(way.site)
            if _is_detour(there, site.entry):
                return Detour(way.kind, "the predictor runs", way.to.place, there)
    return None


def _is_detour(first: SiteEntry, then: SiteEntry) -> bool:
    """Tell whether a request that passes one site goes another way than to the other one alone.

    The way from a device to the cloud is that of a placement in the cloud.
    """
    is_on_the_way = first.tier is Tier.EDGE and then.tier is Tier.CLOUD
    return first.name != then.name and not is_on_the_way
