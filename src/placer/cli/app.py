"""The commands, one file each, loaded only when called; errors to exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from placer.cli import interrupts
from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError, near_match
from placer.core.printable import printable

COMMANDS = {
    "recommend": "Say where a model should run: device, cloud or both.",
    "profile": "Measure a model on this machine.",
    "split": "Find where to cut a model between device and cloud.",
    "verify": "Run what was recommended, and hold the times to the predictions.",
    "check": "Hold deployment manifests to what was measured.",
    "lock": "Bind the workloads of a project to their models and evidence.",
    "init": "Write a workload file for a model.",
    "compare": "Say what changed between two measurements or two answers.",
    "calibrate": "Learn a device from a few models, and predict others on it.",
    "network": "Tell how long a request takes over a network.",
    "catalog": "List and show devices, networks, clouds, regions and workloads.",
    "rules": "List and explain the rules.",
    "schema": "Print the JSON Schema of what placer writes and reads.",
    "doctor": "Show what can be measured here, and how quiet it is.",
}
"""Command -> its line in ``placer --help``. The module ``placer.cli.<command>`` has a function
``command``, or an ``app`` where it has commands of its own."""

EXIT_USAGE = 2
EXIT_BUG = 70
EXIT_BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE ended; 1 would be an answer."""

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _Command(TyperCommand):
    """A command that refuses an option given twice where one value counts."""

    # Any: typer keeps the class of contexts private.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Check the arguments, then parse them."""
        single = {
            name: parameter
            for parameter in self.params
            if not getattr(parameter, "multiple", False)
            for name in (*parameter.opts, *parameter.secondary_opts)
            if name.startswith("-")
        }
        seen: dict[int, str] = {}
        for argument in args[: args.index("--")] if "--" in args else args:
            name = argument.partition("=")[0]
            parameter = single.get(name)
            if parameter is None:
                continue
            if id(parameter) in seen:
                raise UsageError(
                    f"{seen[id(parameter)]} and {name} are both given"
                    if seen[id(parameter)] != name
                    else f"{name} is given twice",
                    hint="give the one that counts",
                )
            seen[id(parameter)] = name
        return super().parse_args(ctx, args)


class _Group(TyperGroup):
    """A group that names the nearest command for an unknown one."""

    # Any: typer keeps the class of contexts private.
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the called command and its arguments."""
        if args[0] not in self.commands:
            raise UsageError(
                f"unknown command '{args[0]}'{near_match(args[0], self.commands)}",
                hint=f"`{ctx.command_path} --help` lists the commands",
            )
        return super().resolve_command(ctx, args)


class _LazyGroup(_Group):
    """Lists the commands without their modules; imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, summary in COMMANDS.items():
            self.add_command(TyperCommand(name, help=summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Put the called command in the place of its line in the list."""
        if args[0] in COMMANDS:
            self.add_command(_load(args[0]), args[0])
        return super().resolve_command(ctx, args)


def _load(name: str) -> Any:
    module = import_module(f"placer.cli.{name}")
    app = getattr(module, "app", None)
    if app is not None:
        app.info.cls = _Group
        for registered in app.registered_commands:
            registered.cls = _Command
        return get_group(app)
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    app.command(name, cls=_Command)(module.command)
    return get_command(app)


def _print_version(*, is_asked: bool) -> None:
    if is_asked:
        from placer import __version__

        typer.echo(f"placer {__version__}")
        raise typer.Exit


_app = typer.Typer(
    cls=_LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
    context_settings={"help_option_names": ["-h", "--help"]},
)


@_app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda value: _print_version(is_asked=value),
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Tell where an ML model should run, and prove it with measurements.

    Exit codes: 0 feasible, 1 every placement violates, 2 usage, 3 input, 4 measuring failed,
    5 inconclusive, 70 a bug in placer, 130 interrupted, 141 the reader of the output went away.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; KeyboardInterrupt is left to the caller."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # placer measures, it does not report
    try:
        code = _run(list(arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not _has_working_directory():
            hint = "change to one that does"
            return _report(InputError("the working directory does not exist any more", hint=hint))
        if error.errno == errno.ENAMETOOLONG and error.filename is not None:
            hint = "choose a shorter name"
            return _report(UsageError(f"{error.filename}: file name too long", hint=hint))
        if error.filename is not None or error.errno not in _FULL_DISK:
            return _report_bug(error)
        _drop_output()
        return _report(MeasuringError(f"standard output cannot be written: {error.strerror}"))
    except SystemExit:  # rich ends the process when nobody reads the help any more
        return EXIT_BROKEN_PIPE
    except Exception as error:  # the last resort: no traceback reaches a user
        if interrupts:
            raise KeyboardInterrupt from error
        if isinstance(error, MemoryError) or "failed to map segment" in str(error):
            hint = "raise the limit of this process (`ulimit -v`), or give the machine more memory"
            return _report(MeasuringError("placer itself does not fit into memory", hint=hint))
        return _report_bug(error)
    return code


def _has_working_directory() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _run(arguments: list[str]) -> int:
    command = get_command(_app)
    try:
        with command.make_context("placer", arguments) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except PlacerError as error:
        return _report(error)
    except typer.TyperException as error:
        return _report_usage(error)
    return 0


def _report(error: PlacerError) -> int:
    _say(f"error: {error.message}")
    if error.hint is not None:
        _say(f"hint: {error.hint}")
    return error.exit_code


def _report_usage(error: typer.TyperException) -> int:
    """Report what typer says about the arguments in the form of our own errors."""
    message = error.format_message().strip()
    if not message:  # no arguments: the help is already on the screen
        return EXIT_USAGE
    context = getattr(error, "ctx", None)
    if context is None:
        return _report(UsageError(_uncapitalised(message)))
    if hasattr(error, "possibilities"):
        option = getattr(error, "option_name", "")
        known = [name for parameter in context.command.params for name in parameter.opts]
        message = f"unknown option '{option}'{near_match(option, known)}"
    hint = f"`{context.command_path} --help` lists the options"
    return _report(UsageError(_uncapitalised(message), hint=hint))


def _uncapitalised(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _report_bug(error: Exception) -> int:
    if os.environ.get("PLACER_TRACEBACK") == "1":
        import traceback

        _say("".join(traceback.format_exception(error)).rstrip())
    what = printable(" ".join(str(error).split()))
    _say(f"bug in placer: {type(error).__name__}: {what}")
    _say(
        "hint: run it again with PLACER_TRACEBACK=1 and report the output, the command and "
        "`placer doctor` to the maintainers (CONTRIBUTING.md)"
    )
    return EXIT_BUG


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens: the exit code still tells
        typer.echo(text, err=True)


def _drop_output() -> None:
    """Send the rest of standard output nowhere, else Python fails again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
