"""The heads of the cuts that are worth judging: written, held to the whole, yet to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api import formats
from placer.api.cut_plan import EP, Head
from placer.api.measuring import MeasuringOptions, Say
from placer.core.errors import MeasuringError
from placer.core.graph import ModelSummary

if TYPE_CHECKING:
    from placer.api.cutting import CutQuestion, Tiers
    from placer.api.splitting import Compare, MeasuredGraph
    from placer.core.split import SplitContract
    from placer.core.wire_choice import FormatResult
    from placer.core.wire_formats import Precision
    from placer.onnx_files.split_source import SplitSource
    from placer.onnx_files.taint import TaintedGraph


def written_heads(
    question: CutQuestion,
    cuts: Mapping[Tiers, set[tuple[str, Precision | None]]],
    source: SplitSource,
    measured: MeasuredGraph,
    taint: TaintedGraph,
    folder: str,
    progress: Say,
) -> list[tuple[dict[str, int], Head]]:
    """Write the cuts, hold them to the whole, and return node -> tier with each head."""
    from placer.api.cut_wire import formats_within, is_as_sought
    from placer.api.split_candidates import movable_outputs
    from placer.api.splitting import comparing, write_split
    from placer.core.split_choice import tail_ratio_of

    if not cuts:
        return []
    limit, inputs = question.workload.max_error_ratio, question.options.inputs
    progress("cut: writing the parts, comparing them with the whole")
    places = [str(Path(folder) / str(number)) for number in range(len(cuts))]
    written = [
        (write_split(source, dict(tiers), 1, place), place)
        for tiers, place in zip(cuts, places, strict=True)
    ]
    sent: tuple[FormatResult | None, ...] = (None,) * len(written)
    if limit is not None and inputs is not None:
        progress("cut: sending what crosses in smaller formats")
        sent = formats_within(
            source,
            written,
            max_error_ratio=limit,
            inputs=inputs,
            threads=question.threads,
            limit_s=question.time_limit_s,
        )
    heads = []
    with comparing(source, inputs=inputs, time_limit_s=question.time_limit_s) as compare:
        for (key, toward), (contract, place), result in zip(
            cuts.items(), written, sent, strict=True
        ):
            offers = frozenset(one for one, wanted in toward if is_as_sought(wanted, result))
            if offers:
                tiers = dict(key)
                ratio = tail_ratio_of(measured.graph, source.graph, tiers)
                made_here, _ = movable_outputs(source, tiers)
                head = _head(
                    *(contract, place, offers, ratio, made_here, result),
                    *(source, taint, question.options, compare),
                )
                heads.append((tiers, head))
    return heads


def _head(
    contract: SplitContract,
    folder: str,
    offers: frozenset[str],
    tail_ratio: float,
    outputs_here: tuple[str, ...],
    sent: FormatResult | None,
    source: SplitSource,
    taint: TaintedGraph,
    options: MeasuringOptions,
    compare: Compare,
) -> Head:
    from placer.api.cut_wire import bytes_sent
    from placer.core.split import CutFacts

    head, tail = contract.parts
    crossing = contract.links[0]
    names = tuple(sorted(spec.name for spec in crossing))
    raw = {
        name
        for found, _ in taint.raw_among([n for n in names if n in taint.tensors])
        for name in found
    }
    path = str(Path(folder) / head.files[0][0])
    summary = formats.read_model(path, shapes=_shapes(options, [one.name for one in head.inputs]))
    model_outputs = {spec.name for spec in contract.outputs}
    inputs = {spec.name for spec in contract.inputs}
    difference_ratio, why = _difference(contract, folder, compare)
    return Head(
        summary=summary,
        options=_options(options, summary, folder),
        cut=CutFacts(
            tensors=names,
            n_bytes=sum(spec.n_bytes or 0 for spec in crossing),
            raw=tuple(name for name in names if name in raw),
            tail_ratio=tail_ratio,
            difference_ratio=difference_ratio,
            not_compared=why,
            outputs_here=outputs_here,
            wire=None if sent is None else sent.wire_format.precision,
            wire_bytes=None if sent is None else bytes_sent(crossing, sent),
            wire_error_ratio=None if sent is None else sent.error.relative,
            wire_samples=0 if sent is None else sent.samples,
        ),
        takes_input=inputs <= set(names),
        input_bytes=bytes_sent(source.summary.inputs, sent),
        down_bytes=sum(spec.n_bytes or 0 for spec in tail.outputs if spec.name in model_outputs),
        head_bytes=head.n_bytes,
        tail_bytes=tail.n_bytes,
        offers=offers,
    )


def _shapes(options: MeasuringOptions, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in (options.shapes or {}).items() if name in names}


def _difference(contract: SplitContract, folder: str, compare: Compare) -> tuple[float | None, str]:
    """Return how far the parts are from the whole, or None and why that is not known."""
    try:
        return max((one.relative for one in compare(contract, folder)), default=0.0), ""
    except MeasuringError as error:
        return None, error.message


def _options(options: MeasuringOptions, head: ModelSummary, folder: str) -> MeasuringOptions:
    """Return the options of the model for its head, with those samples that it takes."""
    inputs = options.inputs
    if inputs is not None:
        import numpy as np

        from placer.onnx_files.inputs import write_arrays

        wanted = {spec.name for spec in head.inputs}
        with np.load(inputs, allow_pickle=False) as given:
            if set(given.files) != wanted:
                inputs = str(Path(folder) / "inputs.npz")
                write_arrays(inputs, {name: given[name] for name in sorted(wanted)})
    return replace(
        options,
        eps=(EP,),
        shapes=_shapes(options, [spec.name for spec in head.inputs]),
        inputs=inputs,
        ep_options=(),  # of other execution providers
        io="host",
    )
