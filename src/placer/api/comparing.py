"""Comparing what was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placer.core.errors import InputError, UsageError

if TYPE_CHECKING:
    from placer.core.comparison import Comparison
    from placer.core.estimate import Recommendation
    from placer.files.evidence import Evidence

SEED = 20_261_123
"""Of the bootstrap, so that equal inputs give equal bytes."""

_HOW_TO_SAVE = (
    "compare reads what `placer profile MODEL --save FILE` and "
    "`placer recommend MODEL --save FILE` write"
)


def compare(a: str, b: str, *, tolerance_ratio: float = 0.02) -> Comparison:
    """Compare two files of evidence, or two saved recommendations.

    Parameters
    ----------
    a, b
        Paths, before and after.
    tolerance_ratio
        A change of latency up to this ratio counts as none.

    Raises
    ------
    UsageError
        One is evidence and the other a recommendation.
    InputError
        A file is missing, unreadable, damaged, or neither of the two.
    """
    from placer.core.compare import compare_measurements, compare_recommendations
    from placer.files.evidence import Evidence

    first, second = _read(a), _read(b)
    if isinstance(first, Evidence) and isinstance(second, Evidence):
        import numpy as np

        return compare_measurements(
            first.measurement,
            second.measurement,
            paths=(a, b),
            sites=(first.site, second.site),
            tolerance_ratio=tolerance_ratio,
            rng=np.random.default_rng(SEED),
        )
    if isinstance(first, Evidence) or isinstance(second, Evidence):
        kinds = [
            "evidence" if isinstance(one, Evidence) else "a recommendation"
            for one in (first, second)
        ]
        raise UsageError(
            f"{a} is {kinds[0]} and {b} is {kinds[1]}: they cannot be compared",
            hint="compare evidence with evidence, or a recommendation with a recommendation",
        )
    return compare_recommendations(first, second, paths=(a, b), tolerance_ratio=tolerance_ratio)


def _read(path: str) -> Evidence | Recommendation:
    from placer.files.evidence import read_json, read_text, to_evidence
    from placer.reports.document import SCHEMA_FAMILY
    from placer.reports.json import from_json

    text = read_text(path, hint=_HOW_TO_SAVE)
    document = read_json(text, path, hint=_HOW_TO_SAVE)
    keys = document if isinstance(document, dict) else {}
    if "_type" in keys:
        return to_evidence(text, path)
    schema = keys.get("schema")
    if isinstance(schema, str) and schema.startswith(SCHEMA_FAMILY):
        return from_json(text.removeprefix("\ufeff"), where=path)
    found = f": its schema is {schema[:60]!r}" if isinstance(schema, str) else ""
    raise InputError(f"{path}: neither evidence nor a recommendation{found}", hint=_HOW_TO_SAVE)
