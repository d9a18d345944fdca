"""A check as JUnit XML: a test case for each deployment and rule that speaks of it.

There is no official schema; elements are those that Jenkins, GitLab and Azure DevOps read
(testsuites, testsuite, testcase, failure, skipped, system-out).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from placer.core.gate import Checked, CheckResult, GateFinding, Outcome
from placer.core.units import format_duration
from placer.reports.check.context import Context

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Source: XML 1.0, production 2 (Char)."""


def render(result: CheckResult, context: Context) -> str:
    """Return the report as XML."""
    files = dict.fromkeys(
        [one.path for one in result.checked] + [one.place.path for one in result.findings]
    )
    checked: dict[str, list[Checked]] = {}
    for one in result.checked:
        checked.setdefault(one.path, []).append(one)
    findings: dict[str, list[GateFinding]] = {}
    for found in result.findings:
        findings.setdefault(found.place.path, []).append(found)
    suites = [
        _suite(path, checked.get(path, []), findings.get(path, []), context) for path in files
    ]
    tests = sum(tests for tests, _, _, _ in suites)
    failures = sum(failures for _, failures, _, _ in suites)
    skipped = sum(skipped for _, _, skipped, _ in suites)
    head = f'<testsuites name="placer check" tests="{tests}" failures="{failures}" '
    head += f'skipped="{skipped}" errors="0">'
    body = "".join(text for *_, text in suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{body}</testsuites>\n'


def _suite(
    path: str, checked: Sequence[Checked], findings: Sequence[GateFinding], context: Context
) -> tuple[int, int, int, str]:
    cases = []
    for one in checked:
        own = [finding for finding in findings if finding.deployed == one.id]
        cases += _cases(one, own, context)
    known = {one.id for one in checked}
    for finding in findings:
        if finding.deployed not in known:
            cases.append(_case(path, finding.rule, [finding], context))
    failures = sum("<failure " in case for case in cases)
    skipped = sum("<skipped " in case for case in cases)
    head = f'<testsuite name={_attribute(path)} tests="{len(cases)}" failures="{failures}" '
    head += f'skipped="{skipped}" errors="0">'
    return len(cases), failures, skipped, f"{head}\n{''.join(cases)}</testsuite>\n"


def _cases(one: Checked, findings: Sequence[GateFinding], context: Context) -> list[str]:
    """Return a case for the placement, and one for each rule that found something."""
    told = [f"workload {one.workload or 'not resolved'}, site {one.site or 'not resolved'}"]
    if one.p99_s is not None:
        limit = "" if one.limit_s is None else f", limit {format_duration(one.limit_s)}"
        told.append(f"p99 {format_duration(one.p99_s)}{limit}")
    placed = f"<system-out>{_text('; '.join(told))}</system-out>\n"
    cases = []
    if not any(finding.outcome is not Outcome.PASS for finding in findings):
        name = _attribute(f"{one.id}: placement")
        cases.append(
            f"<testcase classname={_attribute(one.path)} name={name}>\n{placed}</testcase>\n"
        )
    by_rule: dict[str, list[GateFinding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    return cases + [_case(one.id, rule, found, context) for rule, found in by_rule.items()]


def _case(name: str, rule: str, findings: Sequence[GateFinding], context: Context) -> str:
    known = context.rules.get(rule)
    title = f"{name}: {rule}" + ("" if known is None else f" {known.title}")
    worst = max(findings, key=lambda one: tuple(Outcome).index(one.outcome))
    for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE):
        if any(one.outcome is outcome for one in findings):
            worst = next(one for one in findings if one.outcome is outcome)
            break
    detail = "\n".join(f"{one.place}: {one.message}\nhelp: {one.remedy}" for one in findings)
    match worst.outcome:
        case Outcome.FAIL:
            inner = f"<failure message={_attribute(worst.message)} type={_attribute(rule)}>"
            inner += f"{_text(detail)}</failure>\n"
        case Outcome.INCONCLUSIVE:
            inner = f"<skipped message={_attribute(f'inconclusive: {worst.message}')}>"
            inner += f"{_text(detail)}</skipped>\n"
        case _:
            inner = f"<system-out>{_text(detail)}</system-out>\n"
    where = _attribute(worst.place.path)
    return f"<testcase classname={where} name={_attribute(title)}>\n{inner}</testcase>\n"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    shown = _NOT_XML.sub("\ufffd", text)
    return quoteattr(shown, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
