"""``placer compare``: whether B is slower than A, and which verdicts worsened."""

from __future__ import annotations

from typing import Annotated

import typer

from placer.cli import declared, options, screen
from placer.core.units import parse_ratio

FORMATS = ("text", "json", "markdown")


def command(
    a: Annotated[str, typer.Argument(metavar="A", help="Saved before.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Saved after.")],
    tolerance: Annotated[
        str,
        typer.Option(metavar="RATIO", help="A change of latency up to this counts as none."),
    ] = "2%",
    output: Annotated[list[str] | None, declared.outputs("text, json or markdown")] = None,
    format_: declared.Format = None,
) -> None:
    """Say whether B is faster or slower than A, which verdicts changed, and what else differs.

    A and B are both evidence (`placer profile --save`) or both answers (`placer recommend
    --save`). Exit code 1: a verdict worsened, or B is slower beyond the interval.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    tolerance_ratio = parse_ratio(tolerance, what="--tolerance")
    options.check_places([path for _, path in outputs if path is not None], [a, b])

    from placer.api.comparing import compare
    from placer.reports.comparison import render

    found = compare(a, b, tolerance_ratio=tolerance_ratio)
    screen.emit(
        outputs,
        lambda name: render(found, name, width=screen.width(), color=screen.wants_color()),
    )
    raise typer.Exit(1 if found.is_worse else 0)
