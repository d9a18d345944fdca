"""Execution provider packages in every state in which they can be found, with real libraries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from placer.core.measurement import SessionSettings
from placer.core.runtime import SessionRequest, UnavailableError
from placer.runtimes import onnxruntime as runtime
from placer.runtimes import plugins

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "01_digits"
PACKAGE = """
import pathlib
def get_ep_name(): return "{name}"
def get_ep_names(): return ["{name}"]
def get_library_path(): return {library}
"""
NAME = "FaultyExecutionProvider"

needs_qnn = pytest.mark.skipif(
    find_spec("onnxruntime_qnn") is None, reason="onnxruntime-qnn is not installed"
)
Install = Callable[[str], plugins.Plugin]


@pytest.fixture(autouse=True)
def _found_anew() -> Iterator[None]:
    for found in (plugins.installed_plugins, plugins.probed_plugins):
        found.cache_clear()
    yield
    for found in (plugins.installed_plugins, plugins.probed_plugins):
        found.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package with an execution provider on the path; return it as it was probed."""

    def call(library: str) -> plugins.Plugin:
        folder = tmp_path / "onnxruntime_ep_faulty"
        folder.mkdir()
        (folder / "__init__.py").write_text(PACKAGE.format(name=NAME, library=library))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "onnxruntime_ep_faulty", raising=False)
        (plugin,) = (one for one in plugins.probed_plugins() if one.full_name == NAME)
        return plugin

    return call


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], str]:
    """Compile a library that does something as soon as it is loaded; return its path, quoted."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")

    def call(body: str) -> str:
        source, library = tmp_path / "faulty.c", tmp_path / "libfaulty.so"
        source.write_text(
            "#include <stdlib.h>\n#include <unistd.h>\n"
            f"__attribute__((constructor)) static void load(void) {{ {body} }}\n"
        )
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        return repr(str(library))

    return call


def test_a_library_that_is_missing_or_none_is_told(install: Install, tmp_path: Path) -> None:
    plugin = install(repr(str(tmp_path / "nowhere.so")))
    assert plugin.why_unusable is not None
    assert "does not load" in plugin.why_unusable
    assert "nowhere.so" in plugin.why_unusable
    assert NAME not in runtime.available_eps()


def test_a_package_that_does_not_find_its_own_library_is_told(install: Install) -> None:
    plugin = install("pathlib.Path('/nowhere/lib.so').read_bytes()")
    assert plugin.why_unusable is not None
    assert "its library is missing" in plugin.why_unusable


def test_a_file_that_is_no_library_is_told(install: Install, tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("not a library")
    plugin = install(repr(str(tmp_path / "text.so")))
    assert plugin.why_unusable is not None
    assert "does not load" in plugin.why_unusable


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("abort();", "ended the process that loaded it (signal 6)"),
        ("write(1, \"{}\", 2); _exit(3);", "ended the process that loaded it (exit code 3)"),
    ],
)  # fmt: skip
def test_a_library_that_crashes_is_a_finding_and_not_the_end(
    install: Install, compiled: Callable[[str], str], body: str, words: str
) -> None:
    plugin = install(compiled(body))
    assert plugin.why_unusable is not None
    assert words in plugin.why_unusable
    assert runtime.available_eps()[-1] == "cpu"
    assert words in (runtime.why_unavailable(NAME) or "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os._exit(0)", "ended the process that loaded it (exit code 0)"),
        ("import sys; sys.exit('bye')", "ended the process that loaded it (exit code 1)"),
        ("import os; os.kill(os.getpid(), 11)", "ended the process that loaded it (signal 11)"),
        ("import os; os.close(1); os.close(2)", "does not load"),
        ("import time; time.sleep(600)", "did not answer within 10 s"),
        ("raise RuntimeError('no')", "its library is missing (no)"),
    ],
    ids=["exits", "leaves", "crashes", "closes", "hangs", "raises"],
)
def test_a_package_that_misbehaves_when_imported_does_not_take_the_command_along(
    tmp_path: Path, code: str, words: str
) -> None:
    folder = tmp_path / "onnxruntime_ep_faulty"
    folder.mkdir()
    body = PACKAGE.format(name=NAME, library="'/nowhere/lib.so'")
    (folder / "__init__.py").write_text(f"{body}\n{code}\n")
    script = (
        "import sys\nfrom placer.runtimes import plugins, onnxruntime as runtime\n"
        "plugins.PROBE_LIMIT_S = float(sys.argv[1])\n"
        "print([one.problem for one in plugins.probed_plugins() if 'faulty' in one.distribution])\n"
        "print(runtime.available_eps())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "10" if "sleep" in code else "60"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert words in done.stdout
    assert "'cpu'" in done.stdout


@pytest.mark.slow
def test_a_library_that_hangs_is_ended(
    install: Install, compiled: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "PROBE_LIMIT_S", 10.0)  # it must get as far as the library
    plugin = install(compiled("sleep(600);"))
    assert plugin.why_unusable is not None
    assert "did not answer within 10 s" in plugin.why_unusable


def test_the_maker_of_the_device_tells_an_emulation() -> None:
    def device(vendor: str, ep_vendor: str) -> plugins.EpDevice:
        return plugins.EpDevice("x", "NPU", vendor, ep_vendor)

    assert device("AMD", "Qualcomm").is_emulated
    assert device("GenuineIntel", "Qualcomm").is_emulated
    assert not device("Qualcomm Technologies", "Qualcomm").is_emulated
    assert not device("Intel", "Intel").is_emulated
    assert not device("NVIDIA", "Microsoft").is_emulated


def _request(ep: str, tmp_path: Path) -> SessionRequest:
    import numpy as np

    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, image=np.load(DIGITS / "samples.npz")["image"][:2, None])
    return SessionRequest(
        model_path=str(DIGITS / "digits.onnx"),
        ep=ep,
        settings=SessionSettings(intra_op_threads=1, allow_spinning=False),
        inputs_path=str(inputs),
        dtypes=(),
    )


@pytest.mark.skipif(
    find_spec("onnxruntime_qnn") is None, reason="onnxruntime-qnn has no wheel here"
)
def test_an_npu_that_is_only_emulated_gives_no_time(tmp_path: Path) -> None:
    plugin = plugins.find_plugin("qnn")
    assert plugin is not None
    if plugin.own_devices:
        pytest.skip("this machine has a Qualcomm device")
    assert plugin.devices
    assert "qnn" not in runtime.available_eps()
    assert "only emulates its device here (by Qualcomm" in (runtime.why_unavailable("qnn") or "")
    # the measuring process refuses by itself as well
    script = (
        "import sys, tests.integration.test_plugins as these\n"
        "try: these.runtime.open_session(these._request('qnn', these.Path(sys.argv[1])))\n"
        "except these.UnavailableError as error: print('refused:', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "refused: onnxruntime-qnn" in done.stdout
    assert "only emulates" in done.stdout


@pytest.mark.skipif(
    find_spec("onnxruntime_ep_openvino") is None,
    reason="onnxruntime-ep-openvino is not installed",
)
def test_openvino_runs_where_it_finds_a_device_and_says_so_where_not(tmp_path: Path) -> None:
    # in a process of its own, as placer runs it: others may have registered it in this one
    script = (
        "import pathlib, sys\n"
        "from tests.integration.test_plugins import openvino_runs_or_says_why\n"
        "openvino_runs_or_says_why(pathlib.Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def openvino_runs_or_says_why(folder: Path) -> None:
    plugin = plugins.find_plugin("openvino")
    assert plugin is not None
    assert plugin.problem is None
    if "openvino" not in runtime.available_eps():
        assert "finds no device here that it supports" in (plugin.why_unusable or "")
        with pytest.raises(UnavailableError, match="finds no device here"):
            runtime.open_session(_request("openvino", folder))
        return
    session = runtime.open_session(_request("openvino", folder))
    for run in session.runs():
        run()
    assert dict(session.nodes_by_ep())["openvino"] >= 1


@pytest.mark.skipif(
    find_spec("onnxruntime_qnn") is None, reason="onnxruntime-qnn has no wheel here"
)
def test_a_real_package_without_its_library_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = find_spec("onnxruntime_qnn")
    assert spec is not None
    assert spec.origin is not None
    whole, broken = Path(spec.origin).parent, tmp_path / "onnxruntime_qnn"
    broken.mkdir()
    for file in whole.iterdir():
        if file.is_file() and file.name != "libonnxruntime_providers_qnn.so":
            (broken / file.name).symlink_to(file)
    (broken / "__init__.py").unlink()
    shutil.copy(whole / "__init__.py", broken / "__init__.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("onnxruntime_qnn")]:
        monkeypatch.delitem(sys.modules, name)
    (plugin,) = (one for one in plugins.probed_plugins() if one.ep == "qnn")
    assert plugin.why_unusable is not None
    assert plugin.problem is not None
    assert "qnn" not in runtime.available_eps()


def test_doctor_in_json_lists_every_package() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "placer", "doctor", "--format", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    listed = {one["distribution"] for one in json.loads(done.stdout)["plugins"]}
    assert listed == {plugin.distribution for plugin in plugins.probed_plugins()}
