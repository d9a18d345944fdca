"""``placer rules``: what is checked, why, and how to fix it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli import declared, options, screen
from placer.core.errors import UsageError, near_match

if TYPE_CHECKING:
    from placer.core.gate_rules.rule import GateRule
    from placer.core.rules.rule import Rule

app = typer.Typer(no_args_is_help=True, help="List and explain the rules.")

LIST_FORMATS = ("text", "json", "markdown")


@app.command("list")
def list_rules(
    format_: declared.Format = None,
    output: Annotated[list[str] | None, declared.outputs("text, json or markdown")] = None,
) -> None:
    """List all rules."""
    screen.emit(options.parse_outputs(output or (), format_, LIST_FORMATS), _listing)


@app.command("explain")
def explain(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="Rule id, for instance PLC101.")],
) -> None:
    """Explain one rule: what it checks, why, an example, how to fix it."""
    by_id = {rule.id: rule for rule in all_rules()}
    rule = by_id.get(rule_id.upper())
    if rule is None:
        raise UsageError(
            f"unknown rule '{rule_id}'{near_match(rule_id, by_id)}",
            hint="`placer rules list` shows all",
        )
    typer.echo(
        f"{rule.id}: {rule.title} ({rule.severity.label})\n\n"
        f"What it checks\n  {rule.what}\n\nWhy\n  {rule.why}\n\n"
        f"Example\n  {rule.example}\n\nHow to fix\n  {rule.fix}"
    )


def all_rules() -> list[Rule | GateRule]:
    """Return the rules of placements and of the gate, by id."""
    from placer.core.gate_rules import GATE_RULES
    from placer.core.rules import RULES

    return sorted([*RULES, *GATE_RULES], key=lambda rule: rule.id)


def _listing(name: str) -> str:
    rules = all_rules()
    if name == "json":
        rows = [
            {
                "id": rule.id,
                "title": rule.title,
                "severity": rule.severity.label,
                "what": rule.what,
                "why": rule.why,
                "example": rule.example,
                "fix": rule.fix,
            }
            for rule in rules
        ]
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if name == "markdown":
        parts = ["# Rules\n\nWritten by `placer rules list --format markdown`; do not edit.\n"]
        parts += [
            f"\n## {rule.id}: {rule.title}\n\nHighest severity: {rule.severity.label}.\n\n"
            f"**What it checks.** {rule.what}\n\n**Why.** {rule.why}\n\n"
            f"**Example.** {rule.example}\n\n**How to fix.** {rule.fix}\n"
            for rule in rules
        ]
        return "".join(parts)
    return "".join(f"{rule.id}  {rule.severity.label:8} {rule.title}\n" for rule in rules)
