"""What is to be probed, and what was found so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from placer.core.errors import UsageError
from placer.core.graph import TensorSpec
from placer.core.network.losses import LossEvidence
from placer.core.probe import Probe
from placer.core.units import format_bytes
from placer.probing.answers import Output
from placer.probing.connects import Connects
from placer.probing.dialing import Access
from placer.probing.exchange import Meter
from placer.probing.http import MAX_KEPT_BYTES
from placer.probing.targets import Target
from placer.probing.tensors import ModelInput

CALL_BYTES_SHARE = 0.2
"""Of the bytes: what calls may take."""
FIRST_ANSWER_BYTES, FIRST_ANSWER_SHARE = 256 * 1024, 0.02
"""Where reading the first answer ends, also as a share of all bytes."""
METADATA_SHARE = 0.1
"""Of the bytes: what an answer other than of a call may take."""
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
    has_outputs: bool = False
    """Whether the first inference's answer is kept."""


@dataclass(slots=True)
class Found:
    """What was found so far."""

    probe: Probe
    meter: Meter
    """Of all but the connects, which have a share of the bytes of their own."""
    connects: Connects = field(default_factory=Connects)
    calm: LossEvidence = field(default_factory=LossEvidence)
    """Packets of connections that did not fill the link."""
    outputs: tuple[Output, ...] = ()
    """Of the first inference, where they are kept."""

    def update(self, **changes: object) -> None:
        """Put figures in."""
        self.probe = replace(self.probe, **changes)  # type: ignore[arg-type]  # names of Probe

    def note(self, text: str) -> None:
        """Add a note once."""
        if text not in self.probe.notes:
            self.update(notes=(*self.probe.notes, text))


def first_bytes(question: Question) -> int:
    """Return where reading the first answer of a server ends."""
    return int(min(FIRST_ANSWER_BYTES, FIRST_ANSWER_SHARE * question.max_bytes))


def metadata_bytes(question: Question) -> int:
    """Return what an answer other than of a call may take."""
    return int(min(MAX_KEPT_BYTES, METADATA_SHARE * question.max_bytes))


def window_bytes(question: Question) -> int:
    """Return what may be on its way here, unread, while a server is greeted and called."""
    if question.model is None:
        return first_bytes(question)
    return int(CALL_BYTES_SHARE * question.max_bytes / 2)


def check_room(question: Question, n_bytes: int) -> None:
    """Raise UsageError where two calls take more than the bytes that they may."""
    least = 2 * n_bytes / CALL_BYTES_SHARE
    if least > question.max_bytes:
        raise UsageError(
            f"one call takes {format_bytes(n_bytes)}: --max-data leaves no room for two",
            hint=f"--max-data {int(least / 1e6) + 1}MB",
        )
