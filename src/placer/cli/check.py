"""``placer check``: the gate on deployment manifests."""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from placer.cli import declared, options, screen
from placer.cli.rules import all_rules
from placer.core.errors import UsageError, near_match

FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab", "markdown")
SEVERITIES = ("error", "warning", "note")


def command(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Manifests: files, folders, globs; - for standard input."
        ),
    ],
    project: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="placer.yaml; by default the nearest one upwards."),
    ] = None,
    is_locked: Annotated[
        bool,
        typer.Option("--locked", help="Judge by placer.lock alone: no model file is read."),
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(metavar="REV", help="Git revision: tell only what changed since, and how."),
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(metavar="SEVERITY", help="error, warning or note: exit code 1 from there on."),
    ] = "error",
    is_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit code 0 whatever is found.")
    ] = False,
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Exit code 0 where 5 would be.")
    ] = False,
    with_suppressed: Annotated[
        bool, typer.Option("--show-suppressed", help="Tell what is ignored as well, and why.")
    ] = False,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day for which evidence has its age.")
    ] = None,
    output: Annotated[list[str] | None, declared.outputs(", ".join(FORMATS))] = None,
    format_: declared.Format = None,
) -> None:
    """Hold what manifests deploy to what was measured: model, site, targets, privacy, memory.

    Needs `placer.yaml`, which says what the names in manifests mean, and `placer.lock`, which binds
    evidence. Exit code: 0 all pass; 1 findings at or above --fail-on; 3 nothing to check; 5
    inconclusive: something is not resolved, not measured or too old.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    if fail_on not in SEVERITIES:
        raise UsageError(
            f"--fail-on '{fail_on}' is no severity{near_match(fail_on, SEVERITIES)}",
            hint=f"one of: {', '.join(SEVERITIES)}",
        )
    if base is not None and "-" in paths:
        raise UsageError(
            "--base compares files of a repository, not standard input",
            hint="render both and compare their JSON, or leave --base out",
        )
    from placer.api.report_files import nothing_stale

    day = options.parse_date(as_of)
    written = [path for _, path in outputs if path is not None]
    if written:
        from placer.api.checking import check_evidence_is_apart, inputs_of
        from placer.api.report_files import check_replaced

        check_replaced(outputs)
        with nothing_stale(written):
            read = inputs_of(paths, project, written)
        check_evidence_is_apart(written, read.evidence_folder)
        options.check_places(written, read.files)

    # what is read stays until the end: looking for garbage took a fifth of the time
    gc.set_threshold(100_000, 20, 50)

    from placer import __version__
    from placer.api.checking import check
    from placer.api.report_files import repository_paths_of, sources_of
    from placer.core.finding import Severity
    from placer.core.gate import exit_code
    from placer.reports.check import render
    from placer.reports.check.context import Context, texts_of
    from placer.reports.check.text import summary_of

    # None: closed (`<&-`), which reading the manifests then tells
    stdin = sys.stdin.buffer if "-" in paths and sys.stdin is not None else None
    severity = Severity[fail_on.upper()]
    unwritten = list(written)
    with nothing_stale(unwritten):
        found = check(
            paths, project=project, is_locked=is_locked, base=base, as_of=day, stdin=stdin
        )
        context = Context(
            rules=texts_of(all_rules()),
            sources=sources_of(found),
            version=__version__,
            with_suppressed=with_suppressed,
            fail_on=severity,
            repository_paths=repository_paths_of(found),
        )
        for one in outputs:
            screen.emit(
                [one],
                lambda name: render(
                    found.result, name, context, width=screen.width(), color=screen.wants_color()
                ),
            )
            if one[1] is not None:
                unwritten.remove(one[1])
    code = exit_code(found.result, fail_on=severity, allow_inconclusive=allow_inconclusive)
    if code and all(path is not None for _, path in outputs):
        screen.tell(f"{summary_of(found.result, severity)}; see {', '.join(written)}")
    raise typer.Exit(0 if is_zero else code)
