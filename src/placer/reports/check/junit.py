"""A check as JUnit XML: a test case for each deployment and rule that speaks of it.

There is no official schema; elements are those that Jenkins, GitLab and Azure DevOps read
(testsuites, testsuite, testcase, failure, skipped, system-out).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from placer.core.gate import Checked, CheckResult, GateFinding, Outcome
from placer.reports.check.context import Context, marked, told_latency
from placer.reports.check.shortened import named, shortened

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Source: XML 1.0, production 2 (Char)."""
_WORST_FIRST = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)


def render(result: CheckResult, context: Context) -> str:
    """Return the report as XML: a suite for each file, every finding in exactly one case."""
    by_case: dict[tuple[str, str, str], list[GateFinding]] = defaultdict(list)
    for finding in result.findings:
        path = finding.deployed_in or finding.place.path
        by_case[path, finding.deployed or path, finding.rule].append(finding)
    open_ = {
        (path, name)
        for (path, name, _), found in by_case.items()
        if any(one.outcome is not Outcome.PASS for one in found)
    }
    suites: dict[str, list[str]] = defaultdict(list)
    for one in result.checked:
        if (one.path, one.id) not in open_:
            suites[one.path].append(_placement(one, result.base))
    for (path, name, rule), found in by_case.items():
        suites[path].append(_case(path, name, rule, found, context))
    every = [case for cases in suites.values() for case in cases]
    body = "".join(
        f"<testsuite name={_attribute(named(path))} {_counts(cases)}>\n"
        f"{''.join(cases)}</testsuite>\n"
        for path, cases in suites.items()
    )
    head = f'<testsuites name="placer check" {_counts(every)}>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{body}</testsuites>\n'


def _counts(cases: Sequence[str]) -> str:
    failures = sum("<failure " in case for case in cases)
    skipped = sum("<skipped " in case for case in cases)
    return f'tests="{len(cases)}" failures="{failures}" skipped="{skipped}" errors="0"'


def _placement(one: Checked, base: str | None) -> str:
    """Return the case of a deployment of which no finding is open."""
    told = [f"workload {one.workload or 'not resolved'}, site {one.site or 'not resolved'}"]
    if latency := told_latency(one):
        told.append(latency)
    text = shortened("; ".join(told))
    if one.outcome is Outcome.PASS:
        inner = f"<system-out>{_text(text)}</system-out>\n"
    elif one.is_excused:
        message = f"{one.outcome}, which is ignored ({', '.join(one.ignored)})"
        inner = f"<skipped message={_attribute(message)}>{_text(text)}</skipped>\n"
    elif base is not None:  # only what is new since the base is told: it does not pass for that
        message = f"{one.outcome}, as it was in {shortened(base)}"
        inner = f"<skipped message={_attribute(message)}>{_text(text)}</skipped>\n"
    else:
        word = "failure" if one.outcome is Outcome.FAIL else "skipped"
        inner = f"<{word} message={_attribute(one.outcome)}>{_text(text)}</{word}>\n"
    return _element(one.path, f"{shortened(one.id)}: placement", inner)


def _case(
    path: str, name: str, rule: str, findings: Sequence[GateFinding], context: Context
) -> str:
    known = context.rules.get(rule)
    title = f"{shortened(name)}: {rule}" + ("" if known is None else f" {known.title}")
    worst = min(findings, key=lambda one: _WORST_FIRST.index(one.outcome))
    told = [
        line
        for one in findings
        for line in (shortened(f"{one.place}: {marked(one)}"), f"help: {shortened(one.remedy)}")
    ]
    detail, message = _text("\n".join(told)), shortened(marked(worst))
    fails = any(
        one.severity >= context.fail_on and one.outcome is not Outcome.INCONCLUSIVE
        for one in findings
    )
    match Outcome.FAIL if fails else worst.outcome:
        case Outcome.FAIL:
            start = f"<failure message={_attribute(message)} type={_attribute(rule)}>"
            inner = f"{start}{detail}</failure>\n"
        case Outcome.INCONCLUSIVE:
            start = f"<skipped message={_attribute(message)}>"
            inner = f"{start}{detail}</skipped>\n"
        case _:
            inner = f"<system-out>{detail}</system-out>\n"
    return _element(path, title, inner)


def _element(path: str, name: str, inner: str) -> str:
    where = _attribute(named(path))
    head = f"<testcase classname={where} name={_attribute(name)} file={where}>"
    return f"{head}\n{inner}</testcase>\n"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    shown = _NOT_XML.sub("\ufffd", text)
    return quoteattr(shown, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
