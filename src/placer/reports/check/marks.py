"""What a report of an earlier check is known by: nothing else is written over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from placer.reports.check.markdown import TAG

SEEN_CHARACTERS = 64_000
"""Of the beginning and of the end of a file, which hold the mark."""
_SAID = r'"(?:[^"\\]|\\.)*"'
_HEADS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "json": re.compile(r'\s*\{\s*"schema":\s*"placer/check/v[0-9]+"'),
        "sarif": re.compile(
            rf'\s*\{{\s*"\$schema":\s*{_SAID},\s*"version":\s*{_SAID},\s*"runs":\s*\[\s*\{{'
            r'\s*"tool":\s*\{\s*"driver":\s*\{\s*"name":\s*"placer"'
        ),
        "junit": re.compile(r'\s*(?:<\?xml[^>]*\?>)?\s*<testsuites\s+name="placer check"'),
        "github": re.compile(
            r"::(?:error|warning|notice) (?:[^\n]*,)?title=(?:PLC[0-9]{3}|placer)"
        ),
        "gitlab": re.compile(
            rf'\s*\[\s*(?:\]\s*\Z|\{{\s*"description":\s*{_SAID},\s*"check_name":\s*"PLC[0-9]{{3}}")'
        ),
        "text": re.compile(
            r"\s*(?:(?:error|warning|note|ignored)\[PLC[0-9]{3}\] "
            r"|[✔✖?] (?:pass|fail|inconclusive) |no model that is known: |[0-9]+ deployments?[:;] )"
        ),
        "markdown": re.compile(rf"\s*{re.escape(TAG)}"),
    }
)
_END_OF_TEXT = re.compile(
    r"[0-9]+ deployments?[:;] .*[0-9]+ manifest files?(?:, [0-9]+ other files? skipped)?\s*\Z"
)
"""The last line, however it is broken: what begins like a text report may be anyone's notes."""


def is_report(format: str, head: str, tail: str) -> bool:
    """Tell whether a file is a report of a check in a format, by its own mark; an empty one is.

    Parameters
    ----------
    head, tail
        The first and the last ``SEEN_CHARACTERS`` of the file, at least.
    """
    if not head.strip():  # annotations of nothing, or a file that was made for the report
        return True
    if format == "text" and _END_OF_TEXT.search(" ".join(tail.split())) is None:
        return False
    return _HEADS[format].match(head) is not None
