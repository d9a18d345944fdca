"""What the reports for people say, in words: shared by text and markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeGuard

from placer.core.environment import Assumption, Basis
from placer.core.estimate import (
    Candidate,
    Cost,
    Flip,
    Placement,
    Recommendation,
    Site,
    Stage,
    StageKind,
    TargetVerdict,
    Verdict,
)
from placer.core.finding import Effect, Finding, Severity
from placer.core.units import (
    format_bytes,
    format_duration,
    format_frequency,
    format_percentile,
    format_rate,
    format_ratio,
    format_usd,
)
from placer.core.wording import told_cut
from placer.core.workload import LatencyTarget, Leaves

UNKNOWN = "unknown"
FAMILIES = ("edge", "cloud", "hybrid")
BOUNDS_NOTE = "in brackets: bounds that hold with 95 % confidence"
GLUE = "\N{NO-BREAK SPACE}"
"""Holds a number and its unit together when lines are wrapped."""
_MOST_BEYOND_RATIO = -1000.0
"""A bound further beyond its limit is told as being so; its number would say no more."""


class Tone(StrEnum):
    """How a piece of text is meant; text colours it, markdown does not."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    PLAIN = "plain"
    FAINT = "faint"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of a table."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class RankedRow:
    """One candidate in the ranked table."""

    cells: Mapping[str, Cell]
    """By head; the verdict starts with its sign."""
    remark: str
    """Disturbed or not, and why it is not the decision."""


def clean(text: str) -> str:
    """Make text of others harmless on one line: no control characters, single spaces."""
    printable = "".join(c if c.isprintable() or c == GLUE else " " for c in text)
    return " ".join(part for part in printable.split(" ") if part)


def mark(feasible: bool | None) -> str:
    """Return the sign of a verdict."""
    return "?" if feasible is None else "✔" if feasible else "✖"


def tone(feasible: bool | None) -> Tone:
    """Return the tone of a verdict."""
    return Tone.UNSURE if feasible is None else Tone.GOOD if feasible else Tone.BAD


def headline(answer: Recommendation) -> str:
    """Say where, how sure and why, in one sentence, with the sign of the verdict in front."""
    return f"{mark(answer.decision.feasible)} {clean(answer.decision.reason)}"


def model_facts(answer: Recommendation) -> str:
    """Say how large the model is."""
    model = answer.model
    work = f"work {UNKNOWN}" if model.flops is None else f"{_counted(model.flops)}FLOP"
    size = glued(format_bytes(model.n_bytes))
    return f"{size}, {_counted(model.parameters).rstrip(GLUE)} parameters, {work}"


def target_text(target: LatencyTarget | TargetVerdict) -> str:
    """Name a target: ``p99 ≤ 20 ms``."""
    limit = exact_duration(target.limit_s)
    return f"{format_percentile(target.percentile)}{GLUE}≤{GLUE}{glued(limit)}"


def targets_text(answer: Recommendation) -> str:
    """List the targets as asked; that a bare limit means p99 is said."""
    if not answer.targets:
        return f"none given, so no latency is judged (--sla{GLUE}20ms asks for p99 ≤ 20{GLUE}ms)"
    asked = []
    for target in answer.targets:
        option = f"--sla{GLUE}{exact_duration(target.limit_s).replace(' ', '')}"
        is_bare = target.percentile == 0.99 and len(answer.targets) == 1
        asked.append(f"{option} means {target_text(target)}" if is_bare else target_text(target))
    return "; ".join(asked)


def shown_candidate(answer: Recommendation) -> Candidate | None:
    """Return the decision's candidate, or the nearest where every candidate violates something."""
    for candidate in answer.candidates:
        if candidate.id == answer.decision.candidate:
            return candidate
    return answer.candidates[0] if answer.candidates else None


def best_of_families(answer: Recommendation) -> tuple[Candidate | None, ...]:
    """Return the best candidate of each of FAMILIES; None: it has none."""
    return tuple(
        next((c for c in answer.candidates if c.placement.family == family), None)
        for family in FAMILIES
    )


def comparison(answer: Recommendation) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
    """Put edge, cloud and hybrid side by side: rows of (label, one cell for the best of each).

    The first row is the head. Cells of a family without a candidate are empty below the verdict.
    """
    best = best_of_families(answer)
    columns = [[] if c is None else _compared(c, answer.targets) for c in best]
    heads = tuple(
        Cell(family if c is None else f"{family}{GLUE}#{c.rank}", Tone.STRONG)
        for family, c in zip(FAMILIES, best, strict=True)
    )
    rows = [("", heads)]
    labels = next(([label for label, _ in column] for column in columns if column), [])
    for number, label in enumerate(labels):
        absent = Cell(f"no{GLUE}candidate" if number == 0 else "", Tone.FAINT)
        cells = tuple(column[number][1] if column else absent for column in columns)
        known = sum(cell.text not in ("", UNKNOWN) for cell in cells)
        if label in _SHOWN_IF_COMPARABLE and known < 2:
            continue
        rows.append((label, cells))
    return tuple(rows)


def told_split(answer: Recommendation) -> str | None:
    """Say of the best-ranked split where it cuts, what crosses and how long it takes."""
    split = next((one for one in answer.candidates if one.placement is Placement.SPLIT), None)
    if split is None or split.cut is None:
        return None
    cut, told = split.cut, [f"{mark(split.feasible)} split #{split.rank}: {told_cut(split)}"]
    if cut.wire is not None:
        off = "an unknown part"
        if _is_known(cut.wire_error_ratio):
            off = format_ratio(cut.wire_error_ratio)
        told.append(
            f"sent as {cut.wire.value} ({format_bytes(cut.n_bytes)} as tensors), with which "
            f"an output is {off} of its largest number off"
        )
    if cut.difference_ratio is not None:
        off = f"{cut.difference_ratio:.2g} of an output's largest number off"
        told.append(f"the parts are {'equal to' if cut.difference_ratio == 0 else off} the whole")
    is_lower_bound = split.spread is not None and split.spread.is_lower_bound
    if split.latency is not None and not is_lower_bound:
        times = ((0.5, split.latency.p50_s), (0.99, split.latency.p99_s))
        asked = {target.percentile for target in split.targets}
        told += [
            f"{format_percentile(at)} {duration(time_s)}" for at, time_s in times if at not in asked
        ]
    told += [
        f"{target_text(target)}: {_judged(target).text}"
        for target in split.targets
        if _is_known(target.value_s)
    ]
    return clean("; ".join(told))


def ranked(answer: Recommendation) -> tuple[RankedRow, ...]:
    """List all candidates, best first; every row has the same heads."""
    if len(answer.targets) > 1:
        head = "tightest"
    else:
        head = format_percentile(answer.targets[0].percentile) if answer.targets else "p99"
    return tuple(_ranked_row(candidate, head) for candidate in answer.candidates)


def stage_name(stage: Stage) -> str:
    """Name a stage: ``transfer over fiber_100``."""
    match stage.kind:
        case StageKind.TRANSFER:
            return f"transfer over {clean(stage.path or UNKNOWN)}"
        case StageKind.QUEUE:
            return f"queue at {clean(stage.site or UNKNOWN)}"
        case StageKind.COMPUTE:
            return f"compute on {clean(stage.site or UNKNOWN)}"


def share(stage: Stage, stages: tuple[Stage, ...]) -> float:
    """Return the part of the medians of all stages that this one takes, in [0, 1]."""
    total_s = sum(item.p50_s for item in stages if math.isfinite(item.p50_s))
    return stage.p50_s / total_s if total_s > 0 and math.isfinite(stage.p50_s) else 0.0


def costs_shown(answer: Recommendation) -> tuple[Cost, ...]:
    """Return what the cost of the shown candidate is made of; empty where none is known."""
    shown = shown_candidate(answer)
    if shown is None or all(item.usd_per_month is None for item in shown.costs):
        return ()
    return shown.costs


def price_text(cost: Cost, instances: int | None) -> str:
    """Say the price behind an item, where it holds and since when."""
    if cost.price is None:
        return "price not known"
    price, unit = cost.price, clean(cost.price_unit)
    if unit == "USD/byte":
        price, unit = price * 1e9, "USD/GB"
    count = f"{instances:,} × " if cost.name == "instances" and instances is not None else ""
    where = [clean(text) for text in (cost.region, cost.as_of) if text]
    return glued(f"{count}{price:.4g} {unit}") + "".join(f", {one}" for one in where)


def findings_shown(answer: Recommendation) -> tuple[Finding, ...]:
    """Return the findings that matter to the decision, the worst first.

    Those on the answer and on its candidate; without one, whatever violates a candidate. What
    several candidates share is said once, with their number.
    """
    places: dict[tuple[str, str], list[Finding]] = {}
    for finding in _findings_that_matter(answer):
        places.setdefault((finding.rule, finding.message), []).append(finding)
    return tuple(
        first
        if not others or first.location is None
        else replace(first, location=f"{first.location} and {len(others)} more")
        for first, *others in places.values()
    )


def _findings_that_matter(answer: Recommendation) -> tuple[Finding, ...]:
    of_candidates = [
        finding
        for candidate in answer.candidates
        for finding in candidate.findings
        if candidate.id == answer.decision.candidate
        or (answer.decision.candidate is None and finding.effect is Effect.VIOLATED)
    ]
    unique = dict.fromkeys((*answer.findings, *of_candidates))
    return tuple(sorted(unique, key=lambda finding: (-finding.severity, finding.rule)))


def findings_elsewhere(answer: Recommendation) -> int:
    """Count the findings on candidates that ``findings_shown`` leaves out."""
    every = {finding for candidate in answer.candidates for finding in candidate.findings}
    return len(every.difference(_findings_that_matter(answer)))


def counted(number: int, noun: str) -> str:
    """Count something: ``1 note``, ``2 notes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def findings_title(findings: tuple[Finding, ...]) -> str:
    """Count findings by severity, the worst first."""
    by_severity = [(s, sum(f.severity is s for f in findings)) for s in reversed(Severity)]
    return ", ".join(counted(number, s.label) for s, number in by_severity if number)


def open_questions(answer: Recommendation) -> tuple[str, ...]:
    """Say what keeps the decision unproven: its open targets, else its open findings."""
    shown = shown_candidate(answer)
    if answer.decision.feasible is not None or shown is None:
        return ()
    targets = [
        f"{target_text(target)}: {clean(target.reason)}"
        for target in shown.targets
        if target.verdict is Verdict.UNPROVEN and target.reason
    ]
    findings = [
        f"{clean(finding.rule)}: {clean(finding.remedy)}"
        for finding in (*answer.findings, *shown.findings)
        if finding.effect is Effect.UNPROVEN
    ]
    return tuple(targets or (findings if answer.next_measurement is None else []))


_FLIP_WORDS = {
    "network.rtt": "a median round trip",
    "network.uplink": "an uplink",
    "network.downlink": "a downlink",
    "network.data_price": "a data plan",
    "wire_input": "a request",
    "rate": "a rate",
    "throughput": "a throughput",
    "budget": "a budget",
    "privacy": "data",
    "device.price": "a device price",
    "cloud.price": "a price",
}


def flip_text(flip: Flip) -> str:
    """Say at which value of a parameter the answer changes, and to what."""
    at, now = (_with_unit(value, flip.unit) for value in (flip.at, flip.now))
    kind, _, which = flip.parameter.partition(" ")
    if kind.startswith("sla."):
        words = f"a {clean(kind.removeprefix('sla.'))} limit"
    else:
        words = _FLIP_WORDS.get(kind, clean(kind))
    if which:
        words += f" of {clean(which)}"
    if isinstance(flip.at, str) or isinstance(flip.now, str):
        return f"With {words} of class {at} (now {now}) {_becomes_text(flip)}"
    side = "above" if flip.at > flip.now else "below"
    return f"With {words} {side} {at} (now {now}) {_becomes_text(flip)}"


def _becomes_text(flip: Flip) -> str:
    match flip.becomes:
        case "none":
            return "no placement is feasible"
        case "unproven":
            return "nothing is proven any more"
        case _:
            return f"it is {clean(flip.becomes)}"


def assumption_text(item: Assumption) -> str:
    """Say what was taken in the place of what nobody stated, and from where."""
    value = GLUE.join(part for part in (clean(item.value), clean(item.unit)) if part)
    basis = "" if item.basis is Basis.ASSUMED else f"{item.basis.value}, "
    return f"{clean(item.name)} = {value} ({basis}{clean(item.source)})"


def duration(value_s: float | None, *, unknown: str = UNKNOWN) -> str:
    """Format seconds; None and what is not finite are unknown."""
    return glued(format_duration(value_s)) if _is_known(value_s) else unknown


def glued(text: str) -> str:
    """Hold the words of a short text together."""
    return text.replace(" ", GLUE)


_SHOWN_IF_COMPARABLE = ("peak memory", "device energy")
_LEAVES = {
    Leaves.NOTHING: Cell("nothing"),
    Leaves.OUTPUT: Cell("output only"),
    Leaves.INTERMEDIATE: Cell("intermediate tensors"),
    Leaves.RAW_INPUT: Cell(f"raw{GLUE}input"),
}


def _compared(candidate: Candidate, targets: tuple[LatencyTarget, ...]) -> list[tuple[str, Cell]]:
    latency = candidate.latency
    verdicts = {(t.percentile, t.limit_s): t for t in candidate.targets}
    return [
        ("verdict", _verdict_cell(candidate)),
        ("runs on", Cell(_runs_on(candidate))),
        *(
            (target_text(target), _judged(verdicts.get((target.percentile, target.limit_s))))
            for target in targets
        ),
        ("latency p50", Cell(duration(latency.p50_s if latency else None))),
        *(
            []
            if any(target.percentile == 0.99 for target in targets)
            else [("latency p99", Cell(duration(latency.p99_s if latency else None)))]
        ),
        ("p99 / p50", Cell(_steadiness(candidate))),
        ("per request", Cell(_traffic(candidate))),
        ("up per month", Cell(_amount(candidate.uplink_bytes_per_month))),
        ("leaves device", _LEAVES[candidate.leaves_device]),
        ("capacity", Cell(_capacity(candidate))),
        ("cost per month", Cell(money_text(candidate.usd_per_month))),
        ("per million", Cell(money_text(candidate.usd_per_million))),
        ("peak memory", Cell(_amount(candidate.peak_memory_bytes))),
        ("device energy", Cell(_energy(candidate.joules))),
        ("basis", Cell(candidate.basis.value)),
    ]


def _verdict_cell(candidate: Candidate) -> Cell:
    words = {True: "feasible", False: "violated", None: "unproven"}
    feasible = candidate.feasible
    return Cell(f"{mark(feasible)}{GLUE}{words[feasible]}", tone(feasible))


def _runs_on(candidate: Candidate) -> str:
    names = []
    for site in candidate.sites:
        ep = f" ({clean(site.ep)})" if site.ep else ""
        names.append(f"{clean(site.name)}{_in_region(site)}{ep}")
    label = candidate.variant_label or candidate.variant
    variant = "" if label is None else f", {clean(label)}"
    return (" + ".join(names) or UNKNOWN) + variant


def _in_region(site: Site) -> str:
    """Return where a site is: its region, country and jurisdiction, as far as they are known."""
    country = {"GB": "UK"}.get(site.country or "", site.country)
    law = [clean(word) for word in dict.fromkeys((country, site.jurisdiction)) if word]
    place = glued(clean(site.region)) if site.region else ""
    if law:
        place = f"{place} ({', '.join(law)})".strip() if place else ", ".join(law)
    return f" in {place}" if place else ""


def _judged(target: TargetVerdict | None) -> Cell:
    if target is None:
        return Cell(UNKNOWN)
    holds = {Verdict.MET: True, Verdict.VIOLATED: False, Verdict.UNPROVEN: None}[target.verdict]
    if not _is_known(target.value_s):
        return Cell(f"{mark(holds)}{GLUE}{UNKNOWN}", tone(holds))
    low, high = (duration(bound, unknown="") for bound in (target.low_s, target.high_s))
    if target.verdict is Verdict.MET:
        bounds = f"≤{GLUE}{high}" if high else ""
    elif target.verdict is Verdict.VIOLATED:
        bounds = f"≥{GLUE}{low}" if low else ""
    elif low and high:
        bounds = f"{low} to{GLUE}{high}"
    elif low:
        bounds = f"≥{GLUE}{low}, no upper bound"
    else:
        bounds = f"no lower bound, ≤{GLUE}{high}" if high else "no bounds"
    likely = (
        f", {target.probability:.0%} likely".replace("%", f"{GLUE}%")
        if _is_known(target.probability) and target.verdict is Verdict.UNPROVEN
        else ""
    )
    value = f"{mark(holds)}{GLUE}{duration(target.value_s)}"
    return Cell(f"{value} ({bounds}){likely}" if bounds else f"{value}{likely}", tone(holds))


def _steadiness(candidate: Candidate) -> str:
    latency = candidate.latency
    ratio = latency.steadiness_ratio if latency is not None and latency.p50_s > 0 else None
    if _is_known(ratio) and ratio < 1.005 and candidate.basis is not Basis.MEASURED:
        return UNKNOWN  # a modelled time has no tail of its own
    return f"{ratio:.2f}×" if _is_known(ratio) else UNKNOWN


def _traffic(candidate: Candidate) -> str:
    if candidate.bytes_up == 0 and candidate.bytes_down == 0:
        return "none"
    told = f"{_amount(candidate.bytes_up)}{GLUE}↑ {_amount(candidate.bytes_down)}{GLUE}↓"
    cut = candidate.cut
    if cut is None or cut.wire is None:
        return told
    if not _is_known(cut.wire_error_ratio):
        return f"{told}, sent{GLUE}as {cut.wire}: error{GLUE}unknown"
    if cut.wire_error_ratio == 0:
        return f"{told}, sent{GLUE}as {cut.wire}: nothing{GLUE}changes"
    off = f"{100 * cut.wire_error_ratio:.2g}{GLUE}%"
    return f"{told}, sent{GLUE}as {cut.wire}: an{GLUE}output at{GLUE}most {off}{GLUE}off"


def _capacity(candidate: Candidate) -> str:
    if not _is_known(candidate.capacity_hz):
        each = UNKNOWN
    else:
        each = format_frequency(candidate.capacity_hz)
    if candidate.instances is None:
        return each
    return f"{each}, {glued(counted(candidate.instances, 'instance'))}"


def _ranked_row(candidate: Candidate, head: str) -> RankedRow:
    latency = candidate.latency
    tightest = min(candidate.targets, key=_tightness, default=None)
    if tightest is not None:
        target = duration(tightest.value_s, unknown="-")
        if head == "tightest" and target != "-":
            target = f"{format_percentile(tightest.percentile)}{GLUE}{target}"
    else:
        target = duration(latency.p99_s if latency and head == "p99" else None, unknown="-")
    disturbed = candidate.quality is not None and candidate.quality.is_disturbed
    why_not = "" if candidate.why_not is None else clean(candidate.why_not)
    is_told = any(
        found.rule == "PLC601"
        and found.effect is Effect.UNPROVEN
        and clean(found.message) in why_not
        for found in candidate.findings
    )
    remarks = ["the measurement was disturbed"] if disturbed and not is_told else []
    remarks += [why_not] if candidate.why_not is not None else []
    money = money_text(candidate.usd_per_month)
    return RankedRow(
        cells={
            "#": Cell(str(candidate.rank)),
            "verdict": _verdict_cell(candidate),
            "candidate": Cell(clean(candidate.id)),
            "p50": Cell(duration(latency.p50_s if latency else None, unknown="-")),
            head: Cell(target),
            "margin": _margin(tightest),
            "$/month": Cell("-" if money == UNKNOWN else money),
            "basis": Cell(candidate.basis.value),
        },
        remark="; ".join(remarks),
    )


def _tightness(target: TargetVerdict) -> tuple[int, float]:
    order = (Verdict.VIOLATED, Verdict.UNPROVEN, Verdict.MET)
    return order.index(target.verdict), _margin_ratio(target) or 0.0


def _margin_ratio(target: TargetVerdict) -> float | None:
    """Return what the bound keeps free of the limit, as candidates are ranked by."""
    bound_s = target.high_s if _is_known(target.high_s) else target.value_s
    return (target.limit_s - bound_s) / target.limit_s if _is_known(bound_s) else None


def _margin(target: TargetVerdict | None) -> Cell:
    ratio = None if target is None else _margin_ratio(target)
    if target is None or ratio is None:
        return Cell("-")
    holds = {Verdict.MET: True, Verdict.VIOLATED: False, Verdict.UNPROVEN: None}[target.verdict]
    text = f"{max(ratio, _MOST_BEYOND_RATIO) * 100:+,.0f}".replace("-", "−")
    less = f"<{GLUE}" if ratio < _MOST_BEYOND_RATIO else ""
    return Cell(f"{less}{text}{GLUE}%", tone(holds))


def _is_known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _amount(value_bytes: float | None) -> str:
    if not _is_known(value_bytes):
        return UNKNOWN
    return "none" if value_bytes == 0 else glued(format_bytes(value_bytes))


def money_text(value_usd: float | None) -> str:
    """Write an amount of money; unknown is said."""
    return format_usd(value_usd) if _is_known(value_usd) else UNKNOWN


def _energy(value_joules: float | None) -> str:
    return f"{value_joules:.3g}{GLUE}J" if _is_known(value_joules) else UNKNOWN


def _counted(number: int) -> str:
    for limit, factor, unit in ((1e3, 1.0, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M"), (1e12, 1e9, "G")):
        if number < limit * 0.9995:
            return f"{number / factor:.3g}{GLUE}{unit}"
    return f"{number / 1e12:,.3g}{GLUE}T"


def exact_duration(value_s: float) -> str:
    """Write a limit as it was asked, ``20 ms``: all its digits and no more."""
    for limit_s, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if value_s < limit_s:
            return f"{value_s * factor:.12g} {unit}"
    return f"{value_s:.12g} s"


def _with_unit(value: float | str, unit: str) -> str:
    if isinstance(value, str):
        return clean(value)
    if not math.isfinite(value):
        return UNKNOWN
    match unit:
        case "s":
            return glued(format_duration(value))
        case "bytes":
            return glued(format_bytes(value))
        case "bytes_per_s":
            return glued(format_rate(value))
        case "hz":
            return format_frequency(value)
        case "ratio":
            return f"{value * 100:.3g}{GLUE}%"
        case "usd_per_month":
            return f"{format_usd(value)} per month"
        case "usd_per_hour":
            return f"{format_usd(value)} per hour"
        case "usd_per_byte":
            return f"{format_usd(value * 1e9)} per GB"
        case "usd":
            return format_usd(value)
        case _:
            return f"{value:,.4g} {clean(unit)}".strip()
