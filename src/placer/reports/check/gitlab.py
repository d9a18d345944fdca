"""A check as a GitLab code quality report.

Source: GitLab documentation, code quality, "Code Quality report format": an array of description,
check_name, fingerprint, severity, location; findings with equal fingerprints count as one.
"""

from __future__ import annotations

import json

from placer.core.finding import Severity
from placer.core.gate import CheckResult, left_open
from placer.reports.check.context import Context, marked
from placer.reports.check.fingerprint import fingerprints
from placer.reports.check.shortened import named, shortened

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}


def render(result: CheckResult, context: Context) -> str:
    """Return the report as JSON."""
    told = (*result.findings, *left_open(result))
    marks = fingerprints(told, context.in_repository)
    rows = [
        {
            "description": shortened(f"{marked(one)}; {one.remedy}"),
            "check_name": one.rule,
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[one.severity],
            "location": {
                "path": "stdin"
                if one.place.path == "-"
                else named(context.in_repository(one.place.path)),
                "lines": {"begin": one.place.line, "end": one.place.end_line},
            },
        }
        for one, fingerprint in zip(told, marks, strict=True)
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
