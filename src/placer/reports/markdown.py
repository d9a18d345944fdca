"""The answer as GitHub-flavoured Markdown, for a pull request or a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from placer.core.estimate import Recommendation
from placer.reports import facts
from placer.reports.crossovers import HEADS as CROSSOVER_HEADS
from placer.reports.crossovers import TITLE, crossover_note, crossover_rows
from placer.reports.variants import HEADS, cascade_texts, judged_on, variant_rows

_SPECIAL = re.compile(r"([\\`*\[\]<>~#$])|(?<![A-Za-z0-9])(_)|(_)(?![A-Za-z0-9])")
_SPAN = re.compile(r"(`[^`]+`)")
_BACKTICKS = re.compile(r"`+")


def render(recommendation: Recommendation) -> str:
    """Render an answer; the only HTML in it is ``<details>``."""
    sections = (
        f"### {prose(facts.headline(recommendation))}",
        _asked(recommendation),
        _comparison(recommendation),
        prose(facts.told_split(recommendation) or ""),
        _candidates(recommendation),
        _variants(recommendation),
        _stages(recommendation),
        _costs(recommendation),
        _flips(recommendation),
        _crossovers(recommendation),
        _findings(recommendation),
        _assumptions(recommendation),
        _settle(recommendation),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _asked(answer: Recommendation) -> str:
    model = f"- model: {code(answer.model.path)} ({prose(facts.model_facts(answer))})"
    return f"{model}\n- target: {prose(facts.targets_text(answer))}"


def _comparison(answer: Recommendation) -> str:
    (_, heads), *rows = facts.comparison(answer)
    if not rows:
        return ""
    body = [[prose(label), *(prose(cell.text) for cell in cells)] for label, cells in rows]
    # "#1" would become a link to the first issue of the repository
    ranks = [prose(head.text.replace("#", "no. ")) for head in heads]
    table = to_table(["", *ranks], body)
    return f"{table}\n\n{_capital(facts.BOUNDS_NOTE)}." if answer.targets else table


def _candidates(answer: Recommendation) -> str:
    rows = facts.ranked(answer)
    if not rows:
        return ""
    heads = [*rows[0].cells, "why not"]
    right = [head not in ("verdict", "candidate", "basis", "why not") for head in heads]
    body = [
        [
            *(
                code(cell.text) if head == "candidate" else prose(cell.text)
                for head, cell in row.cells.items()
            ),
            prose(row.remark),
        ]
        for row in rows
    ]
    title = facts.counted(len(rows), "candidate")
    return _details(title, to_table([prose(head) for head in heads], body, right=right))


def _variants(answer: Recommendation) -> str:
    rows = variant_rows(answer)
    if not rows:
        return ""
    body = [
        [*(prose(cell.text) for cell in row.cells), prose("; ".join(row.remarks))] for row in rows
    ]
    heads = [*HEADS, "file, and how it was made"]
    right = [0 < number < HEADS.index("agrees") for number in range(len(heads))]
    table = f"**Variants of the model**\n\n{to_table(heads, body, right=right)}"
    note, cascades = (
        judged_on(answer),
        "\n".join(f"- {prose(one)}" for one in cascade_texts(answer)),
    )
    return "\n\n".join(
        part for part in (table, f"{_capital(note)}." if note else "", cascades) if part
    )


def _stages(answer: Recommendation) -> str:
    shown = facts.shown_candidate(answer)
    if shown is None or not shown.stages:
        return ""
    body = [
        [
            prose(facts.stage_name(stage)),
            f"{facts.share(stage, shown.stages) * 100:.0f} %",
            prose(facts.duration(stage.p50_s, unknown="-")),
            prose(facts.duration(stage.p99_s, unknown="-")),
            stage.basis.value,
            prose(facts.clean(stage.source)),
        ]
        for stage in shown.stages
    ]
    heads = ["stage", "share", "p50", "p99", "basis", "source"]
    table = to_table(heads, body, right=[False, True, True, True, False, False])
    return f"**Where the time goes** in {code(facts.clean(shown.id))}\n\n{table}"


def _costs(answer: Recommendation) -> str:
    shown, costs = facts.shown_candidate(answer), facts.costs_shown(answer)
    if shown is None or not costs:
        return ""
    body = [
        [
            cost.name,
            prose(facts.money_text(cost.usd_per_month)),
            prose(facts.price_text(cost, shown.instances)),
            prose(facts.clean(cost.source)),
        ]
        for cost in costs
    ]
    table = to_table(
        ["item", "in a month", "price", "source"], body, right=[False, True, False, False]
    )
    return f"**Where the money goes** in {code(facts.clean(shown.id))}\n\n{table}"


def _flips(answer: Recommendation) -> str:
    return _listed("What would change the answer", (facts.flip_text(f) for f in answer.flips))


def _crossovers(answer: Recommendation) -> str:
    rows = crossover_rows(answer)
    if not rows:
        return ""
    body = [[prose(cell) for cell in cells] for cells in rows]
    table = to_table(list(CROSSOVER_HEADS), body, right=[False] * len(CROSSOVER_HEADS))
    return f"**{TITLE}**\n\n{table}\n\n{_capital(prose(crossover_note(answer)))}."


def _findings(answer: Recommendation) -> str:
    findings, elsewhere = facts.findings_shown(answer), facts.findings_elsewhere(answer)
    items = []
    for finding in findings:
        place = f" {code(facts.clean(finding.location))}" if finding.location else ""
        remedy = f" → {prose(facts.clean(finding.remedy))}" if finding.remedy else ""
        items.append(
            f"- {finding.severity.label} **{prose(facts.clean(finding.rule))}**{place}: "
            f"{prose(facts.clean(finding.message))}{remedy}"
        )
    if elsewhere:
        items.append(f"- {facts.counted(elsewhere, 'finding')} on other candidates")
    title = facts.findings_title(findings) or "none on this placement"
    return "\n".join([f"**Findings**: {title}", "", *items]) if items else ""


def _assumptions(answer: Recommendation) -> str:
    if not answer.assumptions:
        return ""
    items = (f"- {prose(facts.assumption_text(item))}" for item in answer.assumptions)
    title = f"{facts.counted(len(answer.assumptions), 'assumption')} that nobody stated"
    return _details(title, "\n".join(items))


def _settle(answer: Recommendation) -> str:
    following = answer.next_measurement
    title = "What would settle it" if answer.decision.feasible is None else "Measure next"
    said = list(facts.open_questions(answer))
    if following is not None:
        said.append(f"{facts.clean(following.what)}: {facts.clean(following.why)}")
    text = _listed(title, said)
    if following is None:
        return text
    command = facts.clean(following.command)
    longest = max((len(run) for run in _BACKTICKS.findall(command)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{text}\n\n{fence}sh\n{command}\n{fence}"


def _listed(title: str, items: Iterable[str]) -> str:
    lines = [f"- {prose(item)}" for item in items]
    return "\n".join([f"**{title}**", "", *lines]) if lines else ""


def _details(title: str, body: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"


def to_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool] | None = None
) -> str:
    """Return a table of cells that are Markdown already; ``right`` is aligned right."""
    aligned = right or [False] * len(heads)
    rule = ["---:" if is_right else "---" for is_right in aligned]
    lines = (heads, rule, *rows)
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def prose(text: str) -> str:
    """Escape what Markdown would take as markup; `code` in our own messages stays code."""
    parts = _SPAN.split(text.replace(facts.GLUE, " "))
    return "".join(
        part if number % 2 else _SPECIAL.sub(r"\\\g<0>", part) for number, part in enumerate(parts)
    )


def code(text: str) -> str:
    """Return text of others as code, whatever backticks it holds."""
    clean = facts.clean(text)
    longest = max((len(run) for run in _BACKTICKS.findall(clean)), default=0)
    if not longest:
        return f"`{clean}`"
    fence = "`" * (longest + 1)
    return f"{fence} {clean} {fence}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
