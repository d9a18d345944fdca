"""``placer lock``: bind the workloads of a project to their models and evidence."""

from __future__ import annotations

from typing import Annotated

import typer

from placer.cli import screen


def command(
    project: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="placer.yaml; by default the nearest one upwards."),
    ] = None,
    is_check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing; exit code 1 and what differs if placer.lock is not up to date.",
        ),
    ] = False,
) -> None:
    """Write placer.lock: the digest of each workload's model, and of its evidence.

    Needs the model files, once; `placer check --locked` then needs the repository alone. Evidence
    is what lies in the folder `evidence` beside placer.yaml.
    """
    from placer import __version__
    from placer.api.locking import lock_project
    from placer.files.writing import write_atomically

    with screen.Progress() as progress:
        locked = lock_project(project, tool=f"placer {__version__}", progress=progress)
    for note in locked.notes:
        screen.warn(note)
    path = locked.project.lock_path
    bound = sum(len(one.evidence) for one in locked.lock.workloads.values())
    said = f"{len(locked.lock.workloads)} workload(s), {bound} evidence file(s)"
    if locked.is_current:
        typer.echo(f"{path} is up to date: {said}")
        return
    if is_check:
        typer.echo(f"{path} is not up to date: {said}")
        for one in locked.changes:
            typer.echo(f"  {one.message}")
        if any(one.is_edited for one in locked.changes):
            typer.echo("evidence is never edited: restore the file, or measure again and lock that")
        else:
            typer.echo("if that is meant, run `placer lock`")
        raise typer.Exit(1)
    write_atomically(path, locked.text)
    typer.echo(f"wrote {path}: {said}")
