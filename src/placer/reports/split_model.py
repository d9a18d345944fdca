"""Reports of ``placer split MODEL``: every plan that was tried, and whether to split at all."""

from __future__ import annotations

import json
from typing import Any

from placer.core.cut_names import cut_options
from placer.core.leakage import InputLeakage, Leak, Leakage
from placer.core.printable import printable
from placer.core.split import OutputDifference
from placer.core.split_ranking import Kind, Placed, SplitAnswer
from placer.core.units import finite_or_none, format_bytes, format_duration, format_durations_apart
from placer.core.workload import Leaves
from placer.reports.facts import counted

MAX_POINTS = 12
"""Of the tensors that divide a model, in the text."""
SCHEMA = "placer/split-answer/v1"
_HEADS = (
    "plan", "nodes", "crosses", "leaves", "predicted", "head", "total", "range", "here", "differs"
)  # fmt: skip
_LEAVES = {
    Leaves.NOTHING: "nothing",
    Leaves.INTERMEDIATE: "intermediate",
    Leaves.RAW_INPUT: "raw input",
}


def to_json(answer: SplitAnswer, folder: str | None) -> str:
    """Return the answer; the keys are described in ``docs/splitting.md``."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "model": {
            "path": answer.model,
            "sha256": answer.sha256,
            "nodes": answer.best.edge_nodes
            + answer.best.cloud_nodes
            + answer.constant_nodes
            + answer.unused_nodes,
            "constant_nodes": answer.constant_nodes,
            "unused_nodes": answer.unused_nodes,
        },
        "decision": {
            "placement": answer.best.kind.value if answer.is_ranked else None,
            "is_within_noise": answer.is_within_noise,
            "reason": _headline(answer),
            "written": folder if answer.export is not None else None,
        },
        "network": answer.network,
        "cloud": answer.cloud,
        "threads": answer.threads,
        "runs": answer.runs,
        "samples": answer.samples,
        "whole_s": answer.whole_s,
        "points": list(answer.points),
        "largest_uncuttable_ratio": answer.largest_uncuttable.ratio,
        "plans": [_plan(one, answer.whole_s) for one in answer.placed],
        "export": None
        if answer.export is None
        else {
            "server_model": answer.export.server_model,
            "differences": [_difference(one) for one in answer.export.differences],
            "files": [name for name, _, _ in answer.export.files],
        },
        "assumptions": list(answer.assumptions),
        "notes": list(answer.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plan(one: Placed, whole_s: float) -> dict[str, Any]:
    return {
        "placement": one.kind.value,
        "tensors": list(one.tensors),
        "outputs_here": list(one.outputs_here),
        "outputs_there": list(one.outputs_there),
        "wire": one.wire,
        "sent_types": list(one.sent_types),
        "bytes": one.n_bytes,
        "bytes_down": one.bytes_down,
        "leaves_device": one.leaves.value,
        "leaves_why": one.leaves_why,
        "nodes": [one.edge_nodes, one.cloud_nodes],
        "predicted_s": one.predicted_s,
        "total_s": one.total_s,
        "total_low_s": None if one.range_s is None else one.range_s[0],
        "total_high_s": None if one.range_s is None else one.range_s[1],
        "head_s": one.head_s,
        "network_s": one.network_s,
        "tail_s": one.tail_s,
        "tail_here_s": one.tail_here_s,
        "residual_ratio": one.residual_ratio(whole_s),
        "differences": [_difference(one) for one in one.differences],
        "wire_error_ratio": None
        if one.wire_result is None
        else finite_or_none(one.wire_result.error.relative),
        "wire_agreement_ratio": None
        if one.wire_result is None
        else one.wire_result.error.agreement_ratio,
        "attacked": [_attacked(found) for found in one.leakage],
    }


def _attacked(found: InputLeakage) -> dict[str, Any]:
    rebuilt = found.leakage.reconstruction
    return {
        "input": found.name,
        "leak": found.leakage.leak.value,
        "reason": found.leakage.reason,
        "samples": found.leakage.samples,
        "psnr_db": None if rebuilt is None else rebuilt.psnr_db,
        "mean_psnr_db": None if rebuilt is None else rebuilt.mean_psnr_db,
        "gain_low_db": None if rebuilt is None else rebuilt.gain_low_db,
        "distance_correlation": found.leakage.distance_correlation,
    }


def _difference(one: OutputDifference) -> dict[str, Any]:
    return {
        "output": one.name,
        "absolute": finite_or_none(one.absolute),
        "relative": finite_or_none(one.relative),
        "argmax_ratio": one.argmax_ratio,
    }


def to_text(answer: SplitAnswer, folder: str | None) -> str:
    """Return the same for people."""
    rows = [_row(one, answer.whole_s) for one in answer.placed]
    widths = [max(len(row[at]) for row in (_HEADS, *rows)) for at in range(len(_HEADS))]
    lines = [_headline(answer), ""]
    lines += [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEADS, *rows)
    ]
    lines += ["", *_explained(answer), *_rebuilt(answer)]
    lines += [f"  assumed: {printable(text)}" for text in answer.assumptions]
    lines += [f"  note: {printable(text)}" for text in answer.notes]
    lines += ["", *_outcome(answer, folder)] if folder is not None else []
    return "\n".join(lines) + "\n"


def _headline(answer: SplitAnswer) -> str:
    best, split = answer.best, answer.chosen
    if not answer.is_ranked and split is not None:
        return (
            f"The split asked for ({printable(split.place)}) is not judged: how long its tail "
            f"takes on {printable(answer.cloud)} is not known. {best.name.capitalize()} "
            f"takes {_duration(best.total_s)}."
        )
    if best.kind is Kind.SPLIT:
        other = next(one for one in answer.placed if one.kind is not Kind.SPLIT)
        mine, others = _totals(best, other)
        return f"Split {printable(best.place)}: {mine}, against {others} {other.name}."
    where = f"{best.name} takes {_total(best)}"
    if answer.is_within_noise and split is not None:
        why = f"{answer.runs} runs in turns do not tell them apart"
        edge = next((one for one in answer.placed if one.kind is Kind.EDGE), None)
        if edge is not None and answer.is_maybe_quicker_undisturbed(edge, split):
            why = f"undisturbed, all on the device may be quicker: {answer.disturbance}"
        return (
            f"Undecided, so do not split: {where}, the {printable(split.name)} "
            f"{_total(split)}, and {why}."
        )
    if split is None:
        return f"Do not split: {where}, and {_without_split(answer)}."
    which = "the split asked for" if answer.is_asked else "the best split"
    mine, others = _totals(best, split)
    return f"Do not split: {best.name} takes {mine}, {which} ({printable(split.place)}) {others}."


def _without_split(answer: SplitAnswer) -> str:
    tried = answer.refused_splits
    if not tried:
        return "there is no split to hold against it"
    each = (
        "the split tried does not keep" if tried == 1 else f"none of the {tried} splits tried keeps"
    )
    return f"{each} what its answers are held to (notes; --top tries more)"


def _totals(one: Placed, other: Placed) -> tuple[str, str]:
    """Return two totals with as many digits as tell them apart."""
    if one.total_s is None or other.total_s is None:
        return _total(one), _total(other)
    first, second = format_durations_apart(one.total_s, other.total_s)
    return f"{first}{_span(one)}", f"{second}{_span(other)}"


def _total(one: Placed) -> str:
    return f"{_duration(one.total_s)}{_span(one)}"


def _span(one: Placed) -> str:
    return "" if one.kind is Kind.EDGE else f" ({_range(one)} as the cloud is estimated)"


def _range(one: Placed) -> str:
    if one.range_s is None:
        return "unknown"
    low_s, high_s = one.range_s
    return f"{format_duration(low_s)} to {format_duration(high_s)}"


def _row(one: Placed, whole_s: float) -> tuple[str, ...]:
    residual = one.residual_ratio(whole_s)
    return (
        printable(one.name),
        f"{one.edge_nodes} + {one.cloud_nodes}",
        "-" if one.wire is None else f"{format_bytes(one.n_bytes)} {', '.join(one.sent_types)}",
        _LEAVES[one.leaves],
        _duration(one.predicted_s),
        "-" if one.head_s is None else format_duration(one.head_s),
        _duration(one.total_s),
        "-" if one.kind is Kind.EDGE else _range(one),
        "-" if residual is None else f"{residual:+.1%}",
        _apart(one),
    )


def _duration(time_s: float | None) -> str:
    return "unknown" if time_s is None else format_duration(time_s)


def _apart(one: Placed) -> str:
    """Say how far the outputs are off: by the cut, and by the wire format."""
    if one.wire_result is None:
        return "-"
    cut = max(one.differences, key=lambda each: each.relative, default=None)
    shown = "0" if cut is None or cut.relative == 0 else f"{cut.relative:.1e}"
    if cut is not None and cut.argmax_ratio not in (None, 1.0):
        shown += f" (argmax {cut.argmax_ratio:.1%})"
    if one.wire_result.is_exact:
        return shown
    error = one.wire_result.error
    agreed = "" if error.agreement_ratio == 1 else f" (same answer {error.agreement_ratio:.1%})"
    return f"{shown}, {one.wire}: {error.relative:.1e}{agreed}"


def _explained(answer: SplitAnswer) -> list[str]:
    share = answer.largest_uncuttable
    points = len(answer.points)
    samples = "a generated sample" if not answer.samples else counted(answer.samples, "sample")
    return [
        f"  over {printable(answer.network)} to {printable(answer.cloud)}; "
        f"{counted(answer.threads, 'thread')} here, {counted(answer.runs, 'run')} in turns, "
        f"{samples}",
        "  nodes: of the model, here + on the cloud, constant ones left out",
        "  predicted: sum of the groups here + network + cloud; head: what runs here, measured in "
        "turns with all other parts, so with cold caches",
        "  total: head + network + cloud, both modelled; range: of the total, by the estimate of "
        "the cloud",
        "  here: head and tail, both run here, beyond the whole model's "
        f"{format_duration(answer.whole_s)}; differs: of an output, of its largest number",
        f"  {counted(points, 'single tensor')} divide{'s' if points == 1 else ''} the model; "
        f"the largest part that none divides is {share.ratio:.0%} of its {share.basis}",
        *_points(answer),
        "  all times are typical ones: of the head the mean of its fastest tenth, of network and "
        "cloud p50; p99 is told by placer recommend --cut",
    ]


def _points(answer: SplitAnswer) -> list[str]:
    if not answer.points:
        return []
    more = len(answer.points) - MAX_POINTS
    shown = ", ".join(printable(name) for name in answer.points[:MAX_POINTS])
    are = "it is" if len(answer.points) == 1 else "they are"
    return [f"  {are}: {shown}{f' and {more} more (--format json)' if more > 0 else ''}"]


def _rebuilt(answer: SplitAnswer) -> list[str]:
    """Say what an attack found of each cut."""
    return [
        f"  attacked: {_at(one)} the input {printable(found.name)} is "
        f"{found.leakage.text}; {printable(_proof(found.leakage))}"
        for one in answer.placed
        for found in one.leakage
    ]


def _at(one: Placed) -> str:
    return printable(one.place) + ("" if one.kind is Kind.SPLIT else ",")


def _proof(leakage: Leakage) -> str:
    rebuilt = leakage.reconstruction
    if leakage.leak is Leak.LINEARLY_RECOVERABLE and rebuilt is not None:
        return f"guessing the mean of {leakage.samples} samples gives {rebuilt.mean_psnr_db:.1f} dB"
    return leakage.reason


def _outcome(answer: SplitAnswer, folder: str) -> list[str]:
    if answer.export is not None:
        place = printable(folder)
        return [f"Written to {place}: see {place}/README.txt for how to run both sides."]
    if answer.chosen is None:
        none = (
            "no split that was tried keeps its limit"
            if answer.refused_splits
            else "no split is possible"
        )
        return [f"Nothing was written: {none}."]
    cuts = cut_options(answer.chosen.tensors)
    return [f"Nothing was written. To write the best split all the same: {cuts}"]
