"""What is to be probed, and what was found so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from placer.core.graph import TensorSpec
from placer.core.network.losses import LossEvidence
from placer.core.probe import Probe
from placer.probing.connects import Connects
from placer.probing.dialing import Access
from placer.probing.exchange import Meter
from placer.probing.targets import Target
from placer.probing.tensors import ModelInput

CALL_BYTES_SHARE = 0.2
"""Of the bytes: what calls may take."""
CONNECTS_SHARE = 0.15
"""Of the bytes: what connects may take."""
Inputs = Callable[[Sequence[ModelInput]], tuple[Sequence[TensorSpec], Mapping[str, np.ndarray]]]
"""Gives real tensors for the inputs that a server describes."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be probed, and within which bounds."""

    target: Target
    access: Access
    duration_s: float
    max_bytes: int
    model: str | None = None
    encoding: str = "json"
    inputs: Inputs | None = None
    upload: Target | None = None
    """Where bytes are sent to; None: the target, where that can be."""
    download: Target | None = None
    metrics: Target | None = None
    has_upload: bool = True
    has_download: bool = True


@dataclass(slots=True)
class Found:
    """What was found so far."""

    probe: Probe
    meter: Meter
    """Of all but the connects, which have a share of the bytes of their own."""
    connects: Connects = field(default_factory=Connects)
    calm: LossEvidence = field(default_factory=LossEvidence)
    """Packets of connections that did not fill the link."""

    def update(self, **changes: object) -> None:
        """Put figures in."""
        self.probe = replace(self.probe, **changes)  # type: ignore[arg-type]  # names of Probe

    def note(self, text: str) -> None:
        """Add a note once."""
        if text not in self.probe.notes:
            self.update(notes=(*self.probe.notes, text))
