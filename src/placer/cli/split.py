"""``placer split``: where to cut a model between device and cloud."""

from __future__ import annotations

from typing import Annotated

import typer

from placer.cli import options, screen
from placer.core.errors import UsageError

FORMATS = ("text", "json")


def command(
    costs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Times of nodes, sizes of tensors and links, as JSON (`placer schema costs`).",
        ),
    ] = None,
    output: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT[=FILE]", help="text or json; repeatable.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="Short for --output.")
    ] = None,
) -> None:
    """Find the best split of a graph over ordered tiers, and prove that nothing is better.

    Work moves from the device up the tiers and never back; each tensor crosses a link once, and
    outputs return. Exit code 1: no assignment keeps pins, kept tensors and limit.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    if costs is None:
        raise UsageError("nothing to split", hint="name a file of costs: --costs COSTS.json")
    options.check_places([path for _, path in outputs if path is not None], [costs])

    from placer.api.split_costs import split_costs
    from placer.reports import split as report

    found = split_costs(costs)
    screen.emit(
        outputs,
        lambda name: (
            report.to_json(found.plan, found.unsplit)
            if name == "json"
            else report.to_text(
                found.problem, found.plan, found.unsplit, latency_limit_s=found.latency_limit_s
            )
        ),
    )
