"""What can be chosen: sites with their times, and the placements made of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from placer.core.cascade import CascadeFacts
from placer.core.compute import ComputeEstimate
from placer.core.coverage import Coverage
from placer.core.environment import Assumption, Backbone, CloudOffer, Device, NetworkPath
from placer.core.estimate import Crossover
from placer.core.finding import Finding
from placer.core.measurement import Measurement
from placer.core.queueing import FloatArray
from placer.core.rules.rule import Failure
from placer.core.split import CutFacts
from placer.core.variant import Accuracy, Variant


@dataclass(frozen=True, slots=True)
class SiteTime:
    """How long one inference takes on a site: measured, modelled, or unknown."""

    measurement: Measurement | None = None
    factor_90: float = 1.0
    """Multiplicative 90 % uncertainty on top of the samples; 1 for a measurement of this run."""
    level: str = "E0"
    """Evidence level of the measurement."""
    source: str = ""
    """Where the measurement comes from; with neither measurement nor estimate: why not."""
    estimate: ComputeEstimate | None = None
    """The modelled time; used where there is no measurement."""
    evidence_path: str | None = None
    """File that the measurement was read from; None: it was taken here."""
    whole: Measurement | None = None
    """Of a tail: the measurement of the whole model that the estimate is a share of."""
    segments_s: tuple[FloatArray, ...] = field(init=False, repr=False, compare=False)
    """The measured samples of each process, shape (n,) each; empty without a measurement."""
    mean_s: float | None = field(init=False, repr=False, compare=False)
    """The mean time of one inference, measured or modelled; None: unknown."""

    def __post_init__(self) -> None:
        """Convert the samples once: a question and its flips read them some thousand times."""
        runs = () if self.measurement is None else self.measurement.processes
        segments_s = tuple(np.asarray(run.samples_s, dtype=np.float64) for run in runs)
        mean_s = None if self.estimate is None else self.estimate.median_s
        if self.measurement is not None:
            mean_s = float(np.mean(np.concatenate(segments_s)))
        object.__setattr__(self, "segments_s", segments_s)
        object.__setattr__(self, "mean_s", mean_s)

    @property
    def behind(self) -> Measurement | None:
        """The measurement that the time comes from, as it is or as a share of it."""
        return self.measurement or self.whole


@dataclass(frozen=True, slots=True)
class EdgeSite:
    """The device with one execution provider."""

    ep: str
    time: SiteTime
    failure: Failure | None = None
    """Why it could not be measured; None: it was, or it is modelled."""
    variant: Variant | None = None
    """What runs there; None: the model itself."""
    coverage: Coverage | None = None
    """Which nodes its NPU would run; None: not known."""

    @property
    def nodes_by_ep(self) -> tuple[tuple[str, int], ...]:
        """(short EP name, nodes) that run there, or would; empty: not known."""
        if self.time.measurement is not None:
            return self.time.measurement.nodes_by_ep
        return () if self.coverage is None else self.coverage.nodes_by_ep


@dataclass(frozen=True, slots=True)
class CloudSite:
    """One cloud offer."""

    offer: CloudOffer
    time: SiteTime
    failure: Failure | None = None
    """The runtime is the same as here and refused the model here."""
    variant: Variant | None = None
    """What runs there; None: the model itself."""
    backbone: Backbone | None = None
    """The way from where the network was measured to, on to this offer; None: nothing is added."""

    @property
    def ep(self) -> str:
        """The execution provider: the one that was measured there, else the offer's."""
        measured = self.time.measurement
        return self.offer.ep if measured is None else measured.ep


@dataclass(frozen=True, slots=True)
class Edge:
    """Everything on the device."""

    site: EdgeSite

    @property
    def id(self) -> str:
        """``edge:cpu``, of a variant ``edge:cpu~net-int8``."""
        return f"edge:{self.site.ep}{_mark(self.site.variant)}"


@dataclass(frozen=True, slots=True)
class Cloud:
    """Everything in the cloud."""

    site: CloudSite

    @property
    def id(self) -> str:
        """``cloud:aws-g4dn.xlarge@us-east-1``."""
        offer = self.site.offer
        place = f"@{offer.region}" if offer.region else ""
        return f"cloud:{offer.name}{place}{_mark(self.site.variant)}"


@dataclass(frozen=True, slots=True)
class Fallback:
    """Device first with the cloud when it is busy or down, or the other way round."""

    edge: EdgeSite
    cloud: CloudSite
    prefers_device: bool

    @property
    def id(self) -> str:
        """``fallback:prefer_device:cpu+aws-g4dn.xlarge@us-east-1``."""
        prefer = "prefer_device" if self.prefers_device else "prefer_cloud"
        ids = Edge(self.edge).id, Cloud(self.cloud).id
        return f"fallback:{prefer}:{'+'.join(one.partition(':')[2] for one in ids)}"


@dataclass(frozen=True, slots=True)
class Cascade:
    """A small model on the device that passes on to a big one in the cloud what it is unsure of."""

    edge: EdgeSite
    """With the small model."""
    cloud: CloudSite
    facts: CascadeFacts
    """When it passes on."""

    @property
    def id(self) -> str:
        """``cascade:cpu~net-int8+aws-g4dn.xlarge@us-east-1``."""
        ids = Edge(self.edge).id, Cloud(self.cloud).id
        return f"cascade:{'+'.join(one.partition(':')[2] for one in ids)}"


@dataclass(frozen=True, slots=True)
class Split:
    """The model cut in two: its head on the device, its tail in the cloud."""

    edge: EdgeSite
    """With the head."""
    cloud: CloudSite
    """With the tail."""
    cut: CutFacts
    takes_input: bool
    """All inputs of the model cross as well."""
    input_bytes: int
    """Of all inputs as tensors, in the format of the cut."""
    down_bytes: int
    """Outputs that the tail makes; those that the head makes are there already."""
    head_bytes: int
    """Of the file of the head."""
    tail_bytes: int
    """Of the file of the tail."""

    @property
    def id(self) -> str:
        """``split:cpu+aws-g4dn.xlarge@us-east-1:TENSOR``, several tensors with commas."""
        ids = Edge(self.edge).id, Cloud(self.cloud).id
        places = "+".join(one.partition(":")[2] for one in ids)
        return f"split:{places}:{','.join(self.cut.tensors)}"

    def up_bytes(self, wire_input_bytes: int | None) -> int:
        """Return what one request sends, where the application sends its input as so many."""
        if not self.takes_input or wire_input_bytes is None:
            return self.cut.sent_bytes
        return self.cut.sent_bytes - self.input_bytes + wire_input_bytes


def _mark(variant: Variant | None) -> str:
    return "" if variant is None else f"~{variant.name}"


PlacementOption = Edge | Cloud | Fallback | Cascade | Split


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the model could run, over what, and what of that nobody stated."""

    device: Device
    path: NetworkPath
    edges: tuple[EdgeSite, ...]
    clouds: tuple[CloudSite, ...]
    fastest_path: NetworkPath | None = None
    """Set where ``path`` is only assumed: the fastest path it could plausibly be instead."""
    possible_paths: tuple[NetworkPath, ...] = ()
    """Where ``path`` is only assumed: paths that it could turn out to be."""
    electricity_usd_per_kwh: float | None = None
    electricity_source: str = ""
    assumptions: tuple[Assumption, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Findings on the inputs, made while they were gathered."""
    splits: tuple[Split, ...] = ()
    """Cuts of the model that are worth judging."""
    crossovers: tuple[Crossover, ...] = ()
    """As `Recommendation.crossovers`."""
    accuracy: Accuracy | None = None
    """Of the model itself, on labelled samples; None: not measured."""
    question: str = ""
    """The command that was typed, for advice that repeats it; empty: not known."""
