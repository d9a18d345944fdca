"""A check as SARIF 2.1.0, as GitHub code scanning takes it.

Source: OASIS SARIF 2.1.0; GitHub documentation, "SARIF support for code scanning": 25,000 results
of a run are read and 5,000 shown; suppressed results are shown as open, so they are left out unless
asked for; a file of more than 10 MB, compressed, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from placer.core.deployment import Place
from placer.core.finding import Severity
from placer.core.gate import CheckResult, GateFinding, left_open
from placer.reports.check.context import Context, RuleText, marked
from placer.reports.check.fingerprint import fingerprints
from placer.reports.check.shortened import shortened

MAX_RESULTS = 5000
MAX_BYTES = 10_000_000
"""Of the whole file, so that it is never refused, compressed or not."""
MAX_TEXT = 1000
"""Characters of a description: GitHub takes 1,024."""
Told = tuple[GateFinding, str]
"""A finding and its fingerprint."""
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render(result: CheckResult, context: Context) -> str:
    """Return the log as JSON."""
    open_ = left_open(result)
    findings = [*result.findings, *open_]
    if context.with_suppressed:
        told_as_open = {(one.rule, one.place, one.deployed) for one in open_}
        findings += [
            one
            for one in result.suppressed
            if (one.rule, one.place, one.deployed) not in told_as_open
        ]
    told = list(zip(findings, fingerprints(findings, context.in_repository), strict=True))
    if len(told) > MAX_RESULTS:
        told = _most_severe(told, MAX_RESULTS)
    report = _log(told, len(findings) - len(told), context)
    while len(told) > 1 and (n_bytes := len(report.encode("utf-8", "replace"))) > MAX_BYTES:
        told = _most_severe(told, int(0.95 * len(told) * MAX_BYTES / n_bytes))
        report = _log(told, len(findings) - len(told), context)
    return report


def _most_severe(told: Sequence[Told], number: int) -> list[Told]:
    return sorted(told, key=lambda one: -one[0].severity)[:number]


def _log(told: Sequence[Told], left: int, context: Context) -> str:
    used = sorted({one.rule for one, _ in told})
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "placer",
                "version": context.version,
                "semanticVersion": context.version,
                "rules": [_rule(rule, context.rules.get(rule)) for rule in used],
            }
        },
        "automationDetails": {"id": "placer/check/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                **({"toolExecutionNotifications": [_cut_note(left)]} if left else {}),
            }
        ],
        "results": _results(told, used, context),
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(rule_id: str, rule: RuleText | None) -> dict[str, Any]:
    if rule is None:
        keys = ("shortDescription", "fullDescription", "help")
        return {"id": rule_id, **{key: {"text": rule_id} for key in keys}}
    full = _sentence(f"{rule.what} {rule.why}"[:MAX_TEXT])
    said = f"{rule.what} {rule.why} Example: {rule.example} How to fix: {rule.fix}"
    marked = f"{rule.what}\n\n**Why.** {rule.why}\n\n**Example.** {rule.example}\n\n"
    marked += f"**How to fix.** {rule.fix}"
    return {
        "id": rule_id,
        "name": "".join(word.capitalize() for word in rule.title.replace("'", "").split()),
        "shortDescription": {"text": _sentence(rule.title[:1].upper() + rule.title[1:])},
        "fullDescription": {"text": full},
        "help": {"text": said, "markdown": marked},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["deployment"]},
    }


def _results(told: Sequence[Told], used: Sequence[str], context: Context) -> list[dict[str, Any]]:
    return [
        {
            "ruleId": one.rule,
            "ruleIndex": used.index(one.rule),
            "level": _LEVELS[one.severity],
            "message": {"text": _message(one)},
            "locations": [{"physicalLocation": _location(one.place, context)}],
            "partialFingerprints": {"placerFinding/v1": fingerprint},
            **_related(one, context),
            **_suppressed(one),
        }
        for one, fingerprint in told
    ]


def _message(one: GateFinding) -> str:
    where = f"'{one.deployed}': " if one.deployed else ""
    evidence = f" Evidence {one.evidence[:12]}." if one.evidence else ""
    said = _sentence(shortened(f"{where}{marked(one)}"))
    return _unlinked(f"{said}{evidence} To do: {shortened(one.remedy)}")


def _unlinked(text: str) -> str:
    """Return text of others without links (SARIF 3.11.6): ``[here](https://...)``."""
    return text.replace("](", "] (")


def _location(place: Place, context: Context) -> dict[str, Any]:
    return {
        "artifactLocation": _artifact(context.in_repository(place.path)),
        "region": {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column
            if place.end_line > place.line
            else max(place.column + 1, place.end_column),
        },
    }


def _artifact(path: str) -> dict[str, str]:
    if path == "-":
        return {"uri": "stdin"}
    name = path.removeprefix("./").replace("\\", "/")
    try:  # names of files may hold bytes that are no text, and are those bytes
        shown = quote(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # half of a pair, as Windows has it
        shown = quote(name.encode("utf-8", "surrogatepass"))
    if shown.startswith("/"):
        return {"uri": f"file://{shown}"}
    return {"uri": shown, "uriBaseId": "%SRCROOT%"}


def _related(one: GateFinding, context: Context) -> dict[str, Any]:
    if not one.related:
        return {}
    return {
        "relatedLocations": [
            {
                "id": number,
                "physicalLocation": _location(related.place, context),
                "message": {"text": _unlinked(_sentence(shortened(related.label)))},
            }
            for number, related in enumerate(one.related, start=1)
        ]
    }


def _suppressed(one: GateFinding) -> dict[str, Any]:
    if one.suppressed is None:
        return {}
    kind = "inSource" if one.suppressed.place.path == one.place.path else "external"
    return {"suppressions": [{"kind": kind, "justification": shortened(one.suppressed.reason)}]}


def _cut_note(left: int) -> dict[str, Any]:
    text = f"{left} less severe findings are left out: "
    text += f"a log holds {MAX_RESULTS} and {MAX_BYTES // 10**6} MB at most."
    return {"level": "warning", "message": {"text": text}}


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
