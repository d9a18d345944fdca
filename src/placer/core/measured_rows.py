"""Published measurements: the time of a known architecture on a known chip and runtime.

A row answers for a model that has the structure of its architecture, or of which the user says so.
Where the asked device has no row of it, the time is transferred from another one by the models that
both have.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from placer.core.beta import student_quantile
from placer.core.compute import (
    HALF_PRECISION_EPS,
    ComputeEstimate,
    Level,
    NoEstimate,
    basis_of,
    level_of_evidence,
)
from placer.core.coverage import Coverage
from placer.core.environment import CloudOffer, Device
from placer.core.runtime import split_ep

LEAST_SHARED = 5
"""Models that two devices must share before a time is transferred between them."""
LEAST_FACTOR = 1.10
"""No transfer is taken to be better than what repeats on one device."""
_NOMINAL = 0.95
"""Of a two-sided 90 % interval."""


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One published figure of one model on one device with one runtime."""

    name: str
    """What the model is called here: ``aihub/resnet50``."""
    device: str
    """The device in the words of the source."""
    site: str | None
    """The device or cloud offer of the catalogue that it is; None: ``why_no_site``."""
    runtime: str
    """In the words of the source."""
    ep: str | None
    """The execution provider whose time it is; None: ``why_no_ep``."""
    precision: str
    """In the words of the source; empty: not stated."""
    dtype: str | None
    """Arithmetic that really ran; None: not stated, or of several types."""
    latency_s: float | None
    """None: the row states a throughput."""
    throughput_per_s: float | None
    statistic: str
    """What the latency is: the fastest of many runs, a 90th percentile, ..."""
    unit: str
    """``NPU``, ``GPU`` or ``CPU``, where most of it ran; empty: not stated."""
    nodes: tuple[tuple[str, int], ...]
    """(unit, layers); empty: not stated."""
    is_fallback: bool
    """The runtime is one for an NPU and most of it ran elsewhere."""
    measured_at: str
    """ISO 8601 date, of the publication where that of measuring is not known."""
    source: str
    """Publisher with version, for citing."""
    why_no_site: str = ""
    why_no_ep: str = ""

    @property
    def is_all_on_unit(self) -> bool:
        """Whether the source states that nothing ran on another unit."""
        return len(self.nodes) == 1 and not self.is_fallback


@dataclass(frozen=True, slots=True)
class Published:
    """What the model is taken for, and all rows of the source that knows it."""

    name: str
    rows: tuple[MeasuredRow, ...]
    """Every row of the source."""
    as_of: date
    architecture: str = ""
    """Whose structure the model has; empty: the user named the row."""

    @property
    def own(self) -> tuple[MeasuredRow, ...]:
        """The rows of the named model."""
        return tuple(row for row in self.rows if row.name == self.name)


@dataclass(frozen=True, slots=True)
class Transfer:
    """The time of a model on one device, from its time on another."""

    median_s: float
    factor_90: float
    """The truth lies within [median / factor, median x factor] nine times in ten."""
    n_shared: int


def transferred(source_s: float, shared: Sequence[tuple[float, float]]) -> Transfer | None:
    """Carry a time to another device of the same class and runtime.

    The estimate is the time times the median ratio of the shared models. Each ratio is foretold
    by the median of the others; Student's t times the root mean square of these log residuals is
    the half-width of the interval, and no less than LEAST_FACTOR.

    Parameters
    ----------
    source_s
        Time of the model on the device where it was measured.
    shared
        (time there, time on the target) of other models, in seconds, of the same arithmetic.

    Returns
    -------
    None: fewer than LEAST_SHARED models are shared.

    Source: over all pairs of 6 devices of Qualcomm AI Hub ``./dev bench compute_aihub`` prints
    error and coverage.
    """
    if len(shared) < LEAST_SHARED:
        return None
    there_s, here_s = np.asarray(shared, dtype=np.float64).T
    ratios = np.log(here_s / there_s)
    count = len(ratios)
    others = np.broadcast_to(ratios, (count, count))[~np.eye(count, dtype=bool)]
    without = np.median(others.reshape(count, count - 1), axis=1)
    spread = math.sqrt(float(np.mean((ratios - without) ** 2)))
    half_width = student_quantile(_NOMINAL, count - 1) * spread
    return Transfer(
        median_s=source_s * math.exp(float(np.median(ratios))),
        factor_90=max(LEAST_FACTOR, math.exp(half_width)),
        n_shared=count,
    )


def factor_of(row: MeasuredRow, as_of: date) -> float:
    """Return the 90 % factor of a row: of another device of the type, widened by its age."""
    _, factor = level_of_evidence(row.measured_at, as_of, same_machine=False, same_runtime=False)
    return factor


def estimate_from_any(
    choices: Sequence[Published],
    site: Device | CloudOffer,
    *,
    dtype: str,
    ep: str,
    coverage: Coverage | None = None,
) -> ComputeEstimate | NoEstimate:
    """Return the time of a site from the one model of these that answers it.

    All have the architecture of the model. What was measured on the site goes before what is
    carried over; two that were measured alike are not chosen from. Parameters as below.
    """
    found = [
        (one.name, estimate_from_rows(one, site, dtype=dtype, ep=ep, coverage=coverage))
        for one in choices
    ]
    answers = [(name, told) for name, told in found if isinstance(told, ComputeEstimate)]
    best = [one for one in answers if one[1].level is Level.E2] or answers
    if len(best) > 1:
        names = " and ".join(name for name, _ in best)
        return NoEstimate(
            f"{names} are of one architecture and both answer for {site.name} ({ep}): "
            "--as says which one the model is"
        )
    if best:
        return best[0][1]
    refusals = [told for _, told in found if isinstance(told, NoEstimate)]
    return refusals[0] if refusals else NoEstimate("nothing is published of the model")


def estimate_from_rows(
    published: Published,
    site: Device | CloudOffer,
    *,
    dtype: str,
    ep: str,
    coverage: Coverage | None = None,
) -> ComputeEstimate | NoEstimate:
    """Return the time of a site from the rows of the named model (E2), else transferred (E3).

    Parameters
    ----------
    dtype
        Type of the model's arithmetic: ``float32``, ``float16``, ``int8``, ...
    ep
        Short name of the execution provider.
    coverage
        Which nodes of the model an NPU would run; None: not known.
    """
    run_dtype = "float16" if dtype == "float32" and split_ep(ep)[0] in HALF_PRECISION_EPS else dtype
    there = [row for row in published.own if row.site == site.name]
    found = [row for row in there if row.ep is not None and _is_of(ep, row.ep)]
    timed = [row for row in found if row.latency_s is not None]
    own = [row for row in timed if row.dtype == run_dtype and not row.is_fallback]
    if not own:
        fell = [row for row in timed if row.is_fallback and row.dtype in (dtype, run_dtype)]
        if fell:
            return NoEstimate(
                f"{published.name} on {site.name} fell back to the {fell[0].unit}"
                f" ({_nodes(fell[0])}): that is no time of {ep}"
            )
        carried = _transferred_to(published, site, run_dtype, ep, coverage)
        if carried is not None:
            return carried
        return NoEstimate(_why_none(published, site.name, ep, run_dtype, there, found, timed))
    # of several submissions, the one that promises least
    row = max(own, key=lambda one: (one.latency_s or 0.0, one.source))
    refusal = _misfit(row, coverage)
    if refusal is not None:
        return refusal
    factor = factor_of(row, published.as_of)
    assert row.latency_s is not None
    return ComputeEstimate(
        median_s=row.latency_s,
        low_s=row.latency_s / factor,
        high_s=row.latency_s * factor,
        level=Level.E2,
        basis=basis_of(Level.E2),
        source=_told(row),
        note=_note(row, published),
    )


def _transferred_to(
    published: Published,
    site: Device | CloudOffer,
    run_dtype: str,
    ep: str,
    coverage: Coverage | None,
) -> ComputeEstimate | NoEstimate | None:
    """Return the time carried from another device; None: too few models are shared with any."""
    usable = [
        row
        for row in published.rows
        if row.latency_s is not None
        and row.ep is not None
        and _is_of(ep, row.ep)
        and row.dtype == run_dtype
        and row.is_all_on_unit
    ]
    times_s: defaultdict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in usable:
        assert row.latency_s is not None
        times_s[(row.device, row.runtime, row.unit)][row.name] = row.latency_s
    targets = {row.device for row in usable if row.site == site.name}
    found: list[tuple[int, str, Transfer, MeasuredRow]] = []
    for row in usable:
        if row.name != published.name or row.latency_s is None:
            continue
        for target in targets:
            here_s = times_s.get((target, row.runtime, row.unit), {})
            there_s = times_s[(row.device, row.runtime, row.unit)]
            shared = [(there_s[name], here_s[name]) for name in sorted(there_s.keys() & here_s)]
            carried = transferred(row.latency_s, shared)
            if carried is not None:
                found.append((-carried.n_shared, row.device, carried, row))
    if not found:
        return None
    _, _, carried, row = min(found, key=lambda one: one[:2])
    refusal = _misfit(row, coverage)
    if refusal is not None:
        return refusal
    # the transfer is to the device of the source; the user's is another one of its type
    factor = math.exp(
        math.hypot(math.log(carried.factor_90), math.log(factor_of(row, published.as_of)))
    )
    return ComputeEstimate(
        median_s=carried.median_s,
        low_s=carried.median_s / factor,
        high_s=carried.median_s * factor,
        level=Level.E3,
        basis=basis_of(Level.E3),
        source=f"{_told(row)}; carried over by {carried.n_shared} models measured on both devices",
        note=_note(row, published),
    )


def _is_of(ep: str, measured_ep: str) -> bool:
    """Tell whether a time of one execution provider is that of another, a device left out."""
    name, device = split_ep(ep)
    measured_name, measured_device = split_ep(measured_ep)
    return name == measured_name and (device is None or device == measured_device)


def _misfit(row: MeasuredRow, coverage: Coverage | None) -> NoEstimate | None:
    if coverage is not None and coverage.left_out and row.is_all_on_unit:
        operators = ", ".join(name for name, _ in coverage.operators_left_out[:4])
        return NoEstimate(
            f"{len(coverage.left_out)} of {coverage.n_nodes} nodes of the model would not run on "
            f"the NPU ({operators}), of {row.name} all did: the model is another one"
        )
    return None


def _told(row: MeasuredRow) -> str:
    parts = (row.device, row.runtime, row.precision, row.measured_at)
    return f"{row.source}: {row.name} on {', '.join(part for part in parts if part)}"


def _note(row: MeasuredRow, published: Published) -> str:
    how = (
        f", as its structure is that of {published.architecture}" if published.architecture else ""
    )
    notes = [f"the model is taken to be {row.name}{how}", f"what was published is {row.statistic}"]
    if row.nodes:
        notes.append(f"of it ran {_nodes(row)}")
    return "; ".join(notes)


def _nodes(row: MeasuredRow) -> str:
    return ", ".join(f"{count:,} layers on the {unit}" for unit, count in row.nodes)


def _why_none(
    published: Published,
    site: str,
    ep: str,
    run_dtype: str,
    there: Sequence[MeasuredRow],
    found: Sequence[MeasuredRow],
    timed: Sequence[MeasuredRow],
) -> str:
    """Say why neither a row nor a transfer answers, by what is nearest to an answer."""
    if not there:
        return why_not_on(published, site)
    what = f"{published.name} on {site}"
    if not found:
        known = sorted({row.ep for row in there if row.ep is not None})
        if known:
            return f"{what} was measured with {' and '.join(known)}, not with {ep}"
        whys = {row.runtime: row.why_no_ep for row in there}
        told = "; ".join(f"{runtime} ({why})" for runtime, why in sorted(whys.items()))
        return f"{what} was measured with no execution provider of placer: {told}"
    if not timed:
        return f"{what} states a throughput, which is no latency"
    stated = sorted({row.precision for row in timed if row.precision})
    has = f"was measured in {', '.join(stated)}" if stated else "does not state its arithmetic"
    return (
        f"{what} ({ep}) {has}; the model runs there in {run_dtype}: one says nothing about the "
        "other"
    )


def why_not_on(published: Published, site: str) -> str:
    """Say where the named model was measured instead of on a site."""
    eps: defaultdict[str, set[str]] = defaultdict(set)
    others: dict[str, str] = {}
    for row in published.own:
        if row.site is None:
            others[row.device] = row.why_no_site
        elif row.ep is not None and row.latency_s is not None:
            eps[row.site].add(row.ep)
    places = [f"{name} ({' '.join(sorted(known))})" for name, known in sorted(eps.items())]
    known = ", ".join(places) or "nothing of the catalogue that placer could run it on"
    look_alikes = [f"; {device} is {why}" for device, why in others.items() if site in why]
    more = f" and {len(others)} devices that the catalogue does not have" if others else ""
    return (
        f"{published.name} was not measured on {site}, but on {known}{more}{''.join(look_alikes)}"
    )
