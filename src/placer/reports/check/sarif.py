"""A check as SARIF 2.1.0, as GitHub code scanning takes it.

Source: OASIS SARIF 2.1.0; GitHub documentation, "SARIF support for code scanning": 25,000 results
of a run are read and 5,000 shown; suppressed results are shown as open, so they are left out unless
asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from placer.core.deployment import Place
from placer.core.finding import Severity
from placer.core.gate import CheckResult, GateFinding
from placer.reports.check.context import Context, RuleText
from placer.reports.check.fingerprint import fingerprints
from placer.reports.facts import clean

MAX_RESULTS = 5000
MAX_TEXT = 1000
"""Characters of a description: GitHub takes 1,024."""
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render(result: CheckResult, context: Context) -> str:
    """Return the log as JSON."""
    findings = list(result.findings)
    if context.with_suppressed:
        findings += result.suppressed
    left = max(0, len(findings) - MAX_RESULTS)
    if left:
        findings = sorted(findings, key=lambda one: -one.severity)[:MAX_RESULTS]
    used = sorted({one.rule for one in findings})
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
        "results": _results(findings, used),
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


def _results(findings: Sequence[GateFinding], used: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "ruleId": one.rule,
            "ruleIndex": used.index(one.rule),
            "level": _LEVELS[one.severity],
            "message": {"text": _message(one)},
            "locations": [{"physicalLocation": _location(one.place)}],
            "partialFingerprints": {"placerFinding/v1": fingerprint},
            **_related(one),
            **_suppressed(one),
        }
        for one, fingerprint in zip(findings, fingerprints(findings), strict=True)
    ]


def _message(one: GateFinding) -> str:
    where = f"'{one.deployed}': " if one.deployed else ""
    evidence = f" Evidence {one.evidence[:12]}." if one.evidence else ""
    return _sentence(clean(f"{where}{one.message}")) + f"{evidence} To do: " + clean(one.remedy)


def _location(place: Place) -> dict[str, Any]:
    return {
        "artifactLocation": _artifact(place.path),
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
    # names of files may hold bytes that are no text
    shown = quote(path.removeprefix("./").replace("\\", "/").encode("utf-8", "surrogatepass"))
    if shown.startswith("/"):
        return {"uri": f"file://{shown}"}
    return {"uri": shown, "uriBaseId": "%SRCROOT%"}


def _related(one: GateFinding) -> dict[str, Any]:
    if not one.related:
        return {}
    return {
        "relatedLocations": [
            {
                "id": number,
                "physicalLocation": _location(related.place),
                "message": {"text": _sentence(clean(related.label))},
            }
            for number, related in enumerate(one.related, start=1)
        ]
    }


def _suppressed(one: GateFinding) -> dict[str, Any]:
    if one.suppressed is None:
        return {}
    kind = "inSource" if one.suppressed.place.path == one.place.path else "external"
    return {"suppressions": [{"kind": kind, "justification": clean(one.suppressed.reason)}]}


def _cut_note(left: int) -> dict[str, Any]:
    text = f"{left} less severe findings are left out: at most {MAX_RESULTS} are shown."
    return {"level": "warning", "message": {"text": text}}


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
