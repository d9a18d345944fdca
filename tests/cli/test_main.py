"""The console script: commands, errors and exit codes, on the real program."""

from __future__ import annotations

import ast
import errno
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer

from placer.cli import main
from placer.cli.app import COMMANDS
from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError

CLI = Path(import_module("placer.cli").__file__ or "").parent
COLOR = re.compile(r"\x1b\[[0-9;]*[34][0-9]")

Fail = Callable[[BaseException], int]


@pytest.fixture
def fail() -> Iterator[Fail]:
    """Run a command of its own that raises what the test gives; return the exit code."""
    errors: list[BaseException] = []

    def command() -> None:
        """Fail."""
        raise errors.pop()

    module = types.ModuleType("placer.cli.failing")
    module.__dict__["command"] = command
    sys.modules["placer.cli.failing"] = module
    COMMANDS["failing"] = "Fail."

    def run(error: BaseException) -> int:
        errors.append(error)
        return main(["failing"])

    yield run
    del COMMANDS["failing"], sys.modules["placer.cli.failing"]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    settings: dict[str, object] = {"capture_output": True, "text": True, "timeout": 60}
    settings |= options
    command = [sys.executable, "-m", "placer", *arguments]
    return subprocess.run(command, **settings)  # type: ignore[call-overload,no-any-return]  # above


def defines_a_command(path: Path) -> bool:
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return bool(names & {"command", "app"})


def test_every_command_file_is_registered_and_every_command_has_a_file() -> None:
    assert {path.stem for path in CLI.glob("*.py") if defines_a_command(path)} == set(COMMANDS)


def test_help_lists_every_command_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, summary in COMMANDS.items():
        assert any(re.search(rf"\b{name} +{re.escape(summary)}", line) for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"placer {name}" in out
    assert "--install-completion" not in out


def test_short_help_option_works_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-h"]) == 0
    assert main(["rules", "list", "-h"]) == 0
    assert "placer rules list" in capsys.readouterr().out


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"placer \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_runs_as_a_module_with_the_same_name() -> None:
    done = run("recomend")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: unknown command 'recomend' (did you mean 'recommend'?)\n"
        "hint: `placer --help` lists the commands\n"
    )


@pytest.mark.parametrize("arguments", [[], ["rules"]])
def test_no_command_shows_the_help_and_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert "Usage: placer" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["rules", "lst"],
            "unknown command 'lst' (did you mean 'list'?)",
            "`placer rules --help` lists the commands",
        ),
        (
            ["recommend", "m.onnx", "--slaa", "20ms"],
            "unknown option '--slaa' (did you mean '--sla'?)",
            "`placer recommend --help` lists the options",
        ),
        (
            ["--vrsion"],
            "unknown option '--vrsion' (did you mean '--version'?)",
            "`placer --help` lists the options",
        ),
        (
            ["rules", "list", "--zzz"],
            "unknown option '--zzz'",
            "`placer rules list --help` lists the options",
        ),
        (
            ["schema"],
            "missing argument 'KIND'",
            "`placer schema --help` lists the options",
        ),
        (["recommend", "m.onnx", "--sla"], "option '--sla' requires an argument", None),
    ],
)
def test_usage_errors_have_one_form(
    arguments: list[str], message: str, hint: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: {message}\n" + (f"hint: {hint}\n" if hint else "")


def test_a_value_of_the_wrong_type_names_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "m.onnx", "--fleet", "many"]) == 2
    assert capsys.readouterr().err.startswith("error: invalid value for '--fleet': ")


@pytest.mark.parametrize(
    ("kind", "code"), [(UsageError, 2), (InputError, 3), (MeasuringError, 4), (PlacerError, 70)]
)
def test_each_error_has_its_exit_code_and_its_hint(
    kind: type[PlacerError], code: int, fail: Fail, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(kind("it is broken", hint="mend it")) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: it is broken\nhint: mend it\n")


def test_a_path_that_no_file_can_have_is_no_bug(
    fail: Fail, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(OSError(errno.ENAMETOOLONG, "File name too long", "nnn")) == 2
    assert capsys.readouterr().err == (
        "error: nnn: file name too long\nhint: choose a shorter name\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        ["recommend", "m.onnx", "--sla", "9ms", "--save"],
        ["profile", "m.onnx", "--save"],
        ["verify", "m.json", "--save"],
        ["catalog", "list", "clouds", "--output"],
        ["compare", "a.json", "b.json", "--output"],
    ],
)
@pytest.mark.parametrize("name", ["n" * 300, "loop"])
def test_a_place_that_cannot_be_written_is_told(
    command: list[str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    given = f"json={name}" if command[-1] == "--output" else name
    assert main([*command, given]) == 2
    assert f"cannot write '{name}': " in capsys.readouterr().err


def test_no_hint_is_no_line(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(InputError("it is broken")) == 3
    assert capsys.readouterr().err == "error: it is broken\n"


@pytest.mark.parametrize("code", [0, 1, 4, 5])
def test_a_command_chooses_its_exit_code(code: int, fail: Fail) -> None:
    assert fail(typer.Exit(code)) == code


def test_interruption_is_one_word(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("error", [TypeError("x\n  is wrong"), FileNotFoundError(2, "No", "x")])
def test_a_bug_is_one_line_and_no_traceback(
    error: Exception,
    fail: Fail,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PLACER_TRACEBACK", raising=False)
    assert fail(error) == 70
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"bug in placer: {type(error).__name__}: {' '.join(str(error).split())}"
    assert "PLACER_TRACEBACK=1" in second


def test_a_bug_shows_its_traceback_when_asked(
    fail: Fail, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACER_TRACEBACK", "1")
    assert fail(TypeError("wrong")) == 70
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last)")
    assert "bug in placer: TypeError: wrong\n" in err


@pytest.mark.parametrize("arguments", [["schema", "recommendation"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(*arguments, capture_output=False, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_standard_output_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = run(
            "schema", "recommendation", capture_output=False, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 4
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_a_full_disk_takes_in_part_is_told(tmp_path: Path, unbuffered: str) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    with (tmp_path / "schema.json").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "placer", "schema", "recommendation"],
            stdout=file,
            stderr=subprocess.PIPE,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
                "PYTHONUNBUFFERED": unbuffered,
            },
            preexec_fn=limit,
            check=False,
        )
    assert done.returncode == 4
    assert b"standard output cannot be written" in done.stderr


def test_no_color_is_honoured_on_a_terminal() -> None:
    def on_a_terminal(**variables: str) -> str:
        ours, theirs = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", **variables}
        command = [sys.executable, "-m", "placer", "--help"]
        with subprocess.Popen(command, stdout=theirs, env=environment, close_fds=True) as process:
            os.close(theirs)
            chunks = []
            try:
                while chunk := os.read(ours, 4096):
                    chunks.append(chunk)
            except OSError:  # Linux reports the end of a terminal as an error
                pass
            assert process.wait(timeout=60) == 0
        os.close(ours)
        return b"".join(chunks).decode()

    assert COLOR.search(on_a_terminal())
    plain = on_a_terminal(NO_COLOR="1")
    assert "recommend" in plain
    assert not COLOR.search(plain)


@pytest.mark.skipif(sys.platform == "win32", reason="a directory in use cannot be removed there")
def test_a_working_directory_that_is_gone_is_a_missing_input(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m placer profile model.onnx"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == InputError.exit_code
    assert "bug" not in done.stderr
