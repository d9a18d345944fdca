"""Options that several commands take, declared once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

MEASURING = "Measuring"
OUTPUT = "Output"
"""Panels of the help."""

Shape = Annotated[
    list[str] | None,
    typer.Option(
        metavar="INPUT=DIMS",
        help="Shape of an input with symbolic dimensions, as x=1,3,224,224; repeatable.",
        rich_help_panel=MEASURING,
    ),
]
Inputs = Annotated[
    str | None,
    typer.Option(metavar="SAMPLES.npz", help="Real samples to run.", rich_help_panel=MEASURING),
]
Eps = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Execution provider to measure: cpu, cuda, ...; repeatable (default: all here).",
        rich_help_panel=MEASURING,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="Fix the threads of one inference.", rich_help_panel=MEASURING),
]
Spinning = Annotated[
    bool | None,
    typer.Option(
        "--spinning/--no-spinning",
        help="Fix whether idle threads spin.",
        rich_help_panel=MEASURING,
        show_default=False,
    ),
]
EpOptions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME.KEY=VALUE",
        help="Option of an execution provider, as cuda.use_tf32=0; repeatable.",
        rich_help_panel=MEASURING,
    ),
]
Io = Annotated[
    str,
    typer.Option(
        metavar="WHERE",
        help="host: each run copies inputs and outputs to and from a GPU; device: none.",
        rich_help_panel=MEASURING,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Measure again, do not use the cache.", rich_help_panel=MEASURING),
]
Save = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Keep the answer as JSON.", rich_help_panel=OUTPUT),
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="Short for --output.", rich_help_panel=OUTPUT),
]


def outputs(formats: str) -> Any:
    """Return the option of the reports: these formats, for people."""
    return typer.Option(
        metavar="FORMAT[=FILE]", help=f"{formats}; repeatable.", rich_help_panel=OUTPUT
    )
