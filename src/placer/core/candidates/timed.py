"""A placement with its latency, and what follows of it alone: sites, bytes, shares of requests."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.cascade import CascadeFacts, Rate
from placer.core.estimate import Placement
from placer.core.graph import ModelSummary
from placer.core.legs.cascade import ALWAYS
from placer.core.legs.leg import Leg
from placer.core.placement import CloudSite, EdgeSite, Environment, Split
from placer.core.split import CutFacts
from placer.core.variant import Variant
from placer.core.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPlacement:
    """A placement whose latency is known: the rest is judged of this."""

    id: str
    placement: Placement
    leg: Leg
    model: ModelSummary
    workload: Workload
    environment: Environment
    edge: EdgeSite | None = None
    cloud: CloudSite | None = None
    share: float = 1.0
    """Share of the requests that go to the cloud, where there is one."""
    slow_share: float = 1.0
    """The same with the device at the slow end of its time."""
    cascade: CascadeFacts | None = None
    split: Split | None = None

    @property
    def cloud_share(self) -> float:
        """Share of the requests that go to the cloud."""
        return 0.0 if self.cloud is None else self.share

    @property
    def cut(self) -> CutFacts | None:
        """Where the model is cut; None: it is whole."""
        return None if self.split is None else self.split.cut

    @property
    def passed_on(self) -> Rate | None:
        """Share of the requests that need device and cloud; None: each answers alone."""
        if self.cascade is not None:
            return self.cascade.escalation
        return None if self.split is None else ALWAYS

    @property
    def sites(self) -> tuple[EdgeSite | CloudSite, ...]:
        """Where it runs, the device first."""
        return tuple(site for site in (self.edge, self.cloud) if site is not None)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Other files of the model that run, each once."""
        found = (site.variant for site in self.sites)
        return tuple(dict.fromkeys(one for one in found if one is not None))

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Bytes of a request that goes to the cloud, up and down; None: unknown."""
        if self.cloud is None:
            return 0, 0
        sent_bytes = self.workload.wire_input_bytes
        if self.split is not None:
            return self.split.up_bytes(sent_bytes), self.split.down_bytes
        in_cloud = what_runs(self.cloud, self.model)
        return sent_bytes or in_cloud.input_bytes, in_cloud.output_bytes


def what_runs(site: EdgeSite | CloudSite, model: ModelSummary) -> ModelSummary:
    """Return the file that a site runs: its variant, else the model."""
    return model if site.variant is None else site.variant.model
