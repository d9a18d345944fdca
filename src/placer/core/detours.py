"""What each request passes before it comes to a model, where that stands on another site."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.deployment import Deployed, Place, Tier
from placer.core.estimate import Candidate, Verdict
from placer.core.project import DeclaredSite, Project, SiteEntry


@dataclass(frozen=True, slots=True)
class Detour:
    """What each request passes before the model, on another site than that."""

    what: str
    """``transformer``."""
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


def detour_of(deployed: Deployed, site: DeclaredSite, project: Project) -> Detour | None:
    """Return what each request passes on another site; None: nothing, as far as that is known.

    The way from a device to the cloud is that of the placement in the cloud itself.
    """
    stops = [
        Detour(way.kind, "the predictor runs", way.to.place, project.site_named(way.site))
        for way in deployed.egress
        if way.kind == "transformer" and way.site is not None
    ]
    is_cloud = site.entry.tier is Tier.CLOUD
    return next((one for one in stops if one.site.tier is Tier.CLOUD or not is_cloud), None)
