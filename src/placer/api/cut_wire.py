"""The formats in which the tensors of a recommendation's splits are sent, within an error limit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api.part_runs import PartsPlan, run_parts
from placer.api.split_candidates import offered
from placer.api.splitting import samples_for
from placer.core.split_export import BITS, can_be_sent, wire_bytes
from placer.core.wire_choice import smallest_held

if TYPE_CHECKING:
    from placer.core.graph import TensorSpec
    from placer.core.split import SplitContract
    from placer.core.wire_choice import FormatResult
    from placer.core.wire_formats import Precision
    from placer.onnx_files.split_source import SplitSource


def formats_within(
    source: SplitSource,
    written: Sequence[tuple[SplitContract, str]],
    *,
    max_error_ratio: float,
    inputs: str,
    threads: int,
    limit_s: float,
) -> tuple[FormatResult | None, ...]:
    """Return for each written split the smallest format that keeps the limit on real samples.

    Parameters
    ----------
    written
        (contract, its folder), each with a head and a tail.
    inputs
        .npz file with the samples, all of which are run.

    Returns
    -------
    tuple
        None: a tensor cannot be sent in a format, so that it stays as it is.

    Raises
    ------
    InputError, MeasuringError
        A part does not run.
    """
    plans: dict[int, PartsPlan] = {}
    for place, (contract, folder) in enumerate(written):
        crossing = contract.links[0]
        if all(can_be_sent(spec.dtype) for spec in crossing):
            head, tail = (str(Path(folder) / part.files[0][0]) for part in contract.parts)
            formats = offered(tuple(spec.dtype for spec in crossing))
            plans[place] = PartsPlan(head, tail, tuple(spec.name for spec in crossing), formats)
    if not plans:
        return (None,) * len(written)
    samples = samples_for(source, inputs, most=None)
    judged = run_parts(
        source.summary.path,
        tuple(plans.values()),
        samples,
        threads=threads,
        runs=0,
        limit_s=limit_s,
    )
    chosen = {
        place: smallest_held(one.formats, max_error_ratio)
        for place, one in zip(plans, judged.parts, strict=True)
    }
    return tuple(chosen.get(place) for place in range(len(written)))


def is_as_sought(sought: Precision | None, sent: FormatResult | None) -> bool:
    """Tell whether a cut that was sought for a format may be sent in it, or in a smaller one."""
    if sought is None:
        return True
    return sent is not None and BITS[sent.wire_format.precision] <= BITS[sought]


def bytes_sent(specs: Collection[TensorSpec], sent: FormatResult | None) -> int:
    """Return the bytes of tensors in a format; None: as they are."""
    precision = None if sent is None else sent.wire_format.precision
    return sum(wire_bytes(spec.n_bytes or 0, spec.dtype, precision) for spec in specs)
