"""``placer recommend`` from arguments to exit code, with the real runtime."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from placer.files.evidence import read_evidence
from placer.reports.json import recommendation_schema
from tests import models
from tests.cli.conftest import Run

QUICK = ("--threads", "1", "--time-limit", "3s")


def _answer(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("recommend", *arguments, "--format", "json")
    document: dict[str, Any] = json.loads(result.out)
    return document


def _candidate(document: dict[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in document["candidates"] if one["id"].startswith(prefix)
    )
    return found


def test_target_far_away_is_met_on_the_device(run_again: Run, small_model: str) -> None:
    result = run_again("recommend", small_model, "--sla", "1s", *QUICK)
    assert result.code == 0
    first = result.out.splitlines()[0]
    assert "on the device" in first
    assert "--sla 1s means p99 ≤ 1 s" in result.out


def test_json_is_valid_against_the_printed_schema(run_again: Run, small_model: str) -> None:
    import jsonschema

    document = _answer(run_again, small_model, "--sla", "1s", *QUICK)
    jsonschema.validate(document, recommendation_schema())
    printed = json.loads(run_again("schema", "recommendation").out)
    jsonschema.validate(document, printed)
    assert document["schema"] == "placer/recommendation/v1"
    edge = _candidate(document, "edge:cpu")
    assert edge["basis"] == "measured"
    assert edge["sites"][0]["nodes_by_ep"]["cpu"] > 0
    assert edge["peak_memory_bytes"] > 10**7
    assert {one["class"] for one in document["candidates"]} == {"edge", "cloud", "hybrid"}


def test_impossible_target_is_violated_or_unproven_everywhere(run: Run, small_model: str) -> None:
    result = run("recommend", small_model, "--sla", "1us", *QUICK, "--format", "json")
    document = json.loads(result.out)
    assert result.code in (1, 5)
    assert _candidate(document, "edge:cpu")["verdict"] in ("violated", "unproven")
    assert _candidate(document, "cloud:")["verdict"] == "violated"


def test_evidence_is_reused_and_the_answer_is_byte_identical(run: Run, small_model: str) -> None:
    arguments = ("recommend", small_model, "--sla", "1s", *QUICK, "--format", "json")
    run(*arguments)
    second, third = run(*arguments), run(*arguments)
    assert "reused" in second.err
    assert second.out == third.out


def test_copy_of_a_model_is_not_measured_again(run: Run, small_model: str, tmp_path: Path) -> None:
    copy, saved = tmp_path / "copy.onnx", tmp_path / "copy.json"
    shutil.copy(small_model, copy)
    run("recommend", small_model, "--sla", "1s", *QUICK)
    again = run("profile", str(copy), "--ep", "cpu", "--sla", "1s", *QUICK, "--save", str(saved))
    assert "reused" in again.err
    (record,) = read_evidence([str(saved)])
    assert [name for name, _ in record.measurement.subjects] == ["copy.onnx"]


def test_fresh_measures_again(run: Run, small_model: str) -> None:
    arguments = ("recommend", small_model, "--sla", "1s", *QUICK, "--format", "json")
    first, again = run(*arguments), run(*arguments, "--fresh")
    assert first.out != again.out
    assert "reused" not in again.err


def test_no_measure_without_evidence_leaves_the_device_unproven(run: Run, small_model: str) -> None:
    document = _answer(run, small_model, "--sla", "1s", "--no-measure", "--device", "rpi5")
    edge = _candidate(document, "edge:")
    assert edge["basis"] in ("catalogue", "assumed")


def test_evidence_of_a_cloud_site_decides(run_again: Run, small_model: str, tmp_path: Path) -> None:
    saved, network = tmp_path / "cloud.json", tmp_path / "line.yaml"
    site = "aws-g4dn.xlarge"
    profiled = run_again(
        *("profile", small_model, *QUICK, "--ep", "cpu", "--sla", "1s"),
        *("--site", site, "--save", str(saved)),
    )
    assert profiled.code == 0
    network.write_text(
        "name: line\ntitle: a measured line\nrtt: {p50: 5 ms, p99: 8 ms, p99.9: 9 ms}\n"
        "uplink: 50 Mbit/s\ndownlink: 50 Mbit/s\nloss: 0 %\nbasis: measured\nsource: test\n"
    )
    arguments = (
        small_model, "--sla", "500ms", *QUICK, "--network", str(network), "--privacy", "public",
        "--cloud", f"{site}@us-east-1",
    )  # fmt: skip
    without = _candidate(_answer(run_again, *arguments), "cloud:")
    with_it = _candidate(_answer(run_again, *arguments, "--evidence", str(saved)), "cloud:")
    assert with_it["verdict"] == "met"
    assert with_it["basis"] == "measured"
    assert without["basis"] == "catalogue"


def test_a_network_that_was_measured_long_ago_proves_nothing(
    run: Run, small_model: str, tmp_path: Path
) -> None:
    line = tmp_path / "line.yaml"
    figures = (
        "name: line\nrtt: {p50: 80 ms, p99: 90 ms}\nuplink: 50 Mbit/s\ndownlink: 50 Mbit/s\n"
        "loss: 0 %\nbasis: measured\nsource: test\nmeasured_to: endpoint\n"
    )
    ask = [small_model, "--sla", "30s", "--no-measure", "--device", "rpi5", "--as-of", "2026-12-01"]
    ask += ["--network", str(line), "--cloud", "aws-g6.xlarge@us-east-1", "--privacy", "public"]
    verdicts = {}
    for day in ("2026-11-28", "2026-11-01"):
        line.write_text(f"{figures}measured_at: {day}\n")
        document = _answer(run, *ask)
        cloud = _candidate(document, "cloud:")
        verdicts[day] = cloud["verdict"]
    assert verdicts == {"2026-11-28": "met", "2026-11-01": "unproven"}
    assert "it was measured 30 days ago, at most 7 count" in cloud["targets"][0]["reason"]
    line.write_text(f"{figures}measured_at: 2026-12-25\n")
    done = run("recommend", *ask)
    assert done.code == 2
    assert "measured_at: 2026-12-25 is no day up to 2026-12-01" in done.err


def test_the_way_to_a_far_region_violates_and_is_told(run: Run, small_model: str) -> None:
    ask = [small_model, "--sla", "60ms", "--no-measure", "--device", "rpi5"]
    ask += ["--network", "fiber_100", "--cloud", "aws-g6.xlarge@us-east-1"]
    near, far = (_answer(run, *ask, *more) for more in ([], ["--from", "azure-uksouth"]))
    assert _candidate(near, "cloud:")["verdict"] == "unproven"
    assert "server location" in {one["name"] for one in near["assumptions"]}
    cloud = _candidate(far, "cloud:")
    assert cloud["verdict"] == "violated"
    assert (cloud["sites"][0]["jurisdiction"], cloud["sites"][0]["country"]) == ("US", "US")
    (way,) = (one for one in far["assumptions"] if one["name"].startswith("way from"))
    assert way["name"] == "way from azure-uksouth to aws-us-east-1"
    assert (way["value"], way["unit"], way["basis"]) == ("90", "ms", "catalogue")
    assert "2026-07-30" in way["source"]
    (stage,) = (one for one in cloud["stages"] if "the way from" in (one["path"] or ""))
    assert stage["p50_s"] == pytest.approx(0.090, rel=0.01)


def test_the_place_of_a_workload_is_where_the_way_begins(
    run: Run, small_model: str, tmp_path: Path
) -> None:
    file = tmp_path / "w.yaml"
    text = "schema: placer/workload/v1\nname: w\nlatency: {p90: 200 ms}\nnetwork: fiber_100\n"
    file.write_text(f"{text}device: {{name: rpi5, location: westeurope}}\n")
    ask = [small_model, "--workload", str(file), "--no-measure", "--cloud"]
    found = _answer(run, *ask, "aws-g6.xlarge@us-east-1")
    assert "way from azure-westeurope to aws-us-east-1" in {
        one["name"] for one in found["assumptions"]
    }
    # a fact of the device that this network does not need is no mistake
    assert _answer(run, *ask, "aws-g6.xlarge@us-east-1", "--network", "lte_us")["candidates"]


def test_wire_input_changes_what_goes_up(run_again: Run, small_model: str) -> None:
    raw = _candidate(_answer(run_again, small_model, "--sla", "1s", *QUICK), "cloud:")
    wire = _candidate(
        _answer(run_again, small_model, "--sla", "1s", *QUICK, "--wire-input", "80KiB"), "cloud:"
    )
    assert raw["bytes_up"] == 256
    assert wire["bytes_up"] == 81920


def test_privacy_forbids_the_cloud(run_again: Run, small_model: str) -> None:
    document = _answer(run_again, small_model, "--sla", "1s", *QUICK, "--privacy", "special")
    cloud = _candidate(document, "cloud:")
    assert cloud["feasible"] is False
    assert any(found["rule"] == "PLC101" for found in cloud["findings"])


def test_save_keeps_the_json(run_again: Run, small_model: str, tmp_path: Path) -> None:
    saved = tmp_path / "answer.json"
    result = run_again("recommend", small_model, "--sla", "1s", *QUICK, "--save", str(saved))
    assert result.code == 0
    assert json.loads(saved.read_text())["schema"] == "placer/recommendation/v1"


def test_several_outputs_in_one_run(run_again: Run, small_model: str, tmp_path: Path) -> None:
    markdown = tmp_path / "answer.md"
    result = run_again(
        "recommend", small_model, "--sla", "1s", *QUICK,
        "--output", f"markdown={markdown}", "--output", "json",
    )  # fmt: skip
    assert json.loads(result.out)["schema"]
    assert markdown.read_text().startswith("#") or "**" in markdown.read_text()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_output_that_is_not_unicode_gets_ascii(
    small_model: str, kept_cache: Path, encoding: str
) -> None:
    command = [sys.executable, "-m", "placer", "recommend", small_model, "--sla", "1s", *QUICK]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "XDG_CACHE_HOME": str(kept_cache)}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    report = done.stdout.decode("ascii")
    assert report.startswith("v Run it on the device")
    assert "Latency of requests  # share" in report
    assert "p99 <=1 s" in report


def test_stdout_holds_the_report_and_nothing_else(run: Run, small_model: str) -> None:
    result = run(
        *("recommend", small_model, "--sla", "1s", *QUICK, "--ep", "cpu", "--format", "json")
    )
    json.loads(result.out)
    assert "cpu" in result.err


def test_shape_fills_symbolic_dimensions(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "symbolic.onnx")
    models.symbolic(path)
    missing = run("recommend", path, *QUICK)
    assert missing.code == 2
    assert "--shape" in missing.err


def test_real_samples_are_used_and_named(run_again: Run, small_model: str, tmp_path: Path) -> None:
    samples = tmp_path / "samples.npz"
    name = _answer(run_again, small_model, *QUICK)["model"]["inputs"][0]["name"]
    arrays: dict[str, Any] = {name: np.ones((3, 64), dtype=np.float32)}
    np.savez(samples, **arrays)
    document = _answer(run_again, small_model, "--sla", "1s", *QUICK, "--inputs", str(samples))
    assert not any(one["name"] == "inputs" for one in document["assumptions"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--sla", "0ms"), 2, "greater than zero"),
        (("--sla", "20"), 2, "no unit"),
        (("--sla", "p101=5ms"), 2, "percentile"),
        (("--sla", "p100=5ms"), 2, "percentile"),
        (("--sla", "nan"), 2, "not a number"),
        (("--sla", "infms"), 2, "not a number"),
        (("--sla", "-5ms"), 2, "greater than zero"),
        (("--sla", "5ms", "--sla", "6ms"), 2, "two limits"),
        (("--ep", "cudda"), 2, "did you mean 'cuda'"),
        (("--ep", "AzureExecutionProvider"), 2, "remote"),
        (("--privacy", "secret"), 2, "one of: public"),
        (("--wire-input", "80"), 2, "no unit"),
        (("--rate", "30"), 2, "no unit"),
        (("--arrival", "poisson"), 2, "--rate"),
        (("--budget", "500USD/month"), 2, "--rate"),
        (("--network", "fibre_100"), 2, "fiber_100"),
        (("--cloud", "aws-g4dn"), 2, "did you mean"),
        (("--device", "rpi6"), 2, "did you mean"),
        (("--network", "nowhere.yaml"), 3, "nowhere.yaml"),
        (("--evidence", "nowhere.json"), 3, "nowhere.json"),
        (("--inputs", "nowhere.npz"), 3, "nowhere.npz"),
        (("--format", "yaml"), 2, "one of: text json markdown"),
        (("--output", "json", "--output", "text"), 2, "standard output"),
        (("--save", "no/such/directory/x.json"), 2, "no/such/directory"),
        (("--threads", "0"), 2, "--threads"),
        (("--fleet", "0"), 2, "--fleet"),
        (("--as-of", "yesterday"), 2, "2026-11-23"),
        (("--shape", "x=0,3"), 2, "--shape"),
        (("--time-limit", "0s"), 2, "greater than zero"),
        (("--fress",), 2, "--fresh"),
        (("--no-measure", "--inputs", "x.npz"), 2, "no effect with --no-measure"),
        (("--no-measure", "--fresh"), 2, "no effect with --no-measure"),
        (("--from", "azure-uksout"), 2, "did you mean 'azure-uksouth'?"),
        (("--from", "DE", "--network", "lte_us"), 2, "was measured to where the requests go"),
        (("--from", "DE", "--network", "nb_iot"), 2, "does not say what its round trip"),
    ],
)
def test_bad_option_says_what_and_what_to_do(
    run: Run, small_model: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = run("recommend", small_model, *arguments)
    assert result.code == code, result.err
    assert words in result.err
    assert result.err.startswith("error: ")
    assert "hint: " in result.err
    assert result.out == ""


def test_known_but_unusable_provider_is_4_and_gives_no_time(
    run_again: Run, small_model: str
) -> None:
    from placer.runtimes.onnxruntime import available_eps

    if "coreml" in available_eps():
        pytest.skip("this build has CoreML")
    alone = run_again("recommend", small_model, "--sla", "1s", *QUICK, "--ep", "coreml")
    assert alone.code == 4
    assert alone.out == ""
    assert "CoreMLExecutionProvider" in alone.err
    both = run_again(
        "recommend", small_model, "--sla", "1s", *QUICK, "--ep", "coreml", "--ep", "cpu",
        "--format", "json",
    )  # fmt: skip
    assert both.code == 4
    assert _candidate(json.loads(both.out), "edge:coreml")["latency_s"] is None


def test_model_that_the_runtime_refuses_is_4(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "custom.onnx")
    models.custom_op(path)
    result = run("recommend", path, "--sla", "20ms", *QUICK)
    assert result.code == 4
    assert "not a registered function" in result.err
    assert "export the model" in result.err
    # more where a plugin finds a device: it refuses the model too
    assert re.search(r"PLC402 edge:\w+ and [0-9]+ more: ", result.out)


def test_read_only_cache_is_a_warning(
    run: Run, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    result = run("recommend", small_model, "--sla", "1s", *QUICK)
    assert result.code == 0
    assert "warning: " in result.err


def test_full_disk_leaves_no_half_written_file(small_model: str, tmp_path: Path) -> None:
    saved = tmp_path / "answer.json"
    saved.write_text("before")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, "-m", "placer", "recommend", small_model, "--sla", "1s", *QUICK]
    done = subprocess.run(
        [*command, "--save", str(saved)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        },
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert saved.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["answer.json"]


def test_interrupt_ends_with_130_and_leaves_nothing(small_model: str, tmp_path: Path) -> None:
    saved = tmp_path / "answer.json"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "placer", "recommend", small_model, "--rate", "1/s",
            "--sla", "1s", "--threads", "1", "--save", str(saved),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    deadline = time.monotonic() + 30
    children: list[psutil.Process] = []
    while not children and time.monotonic() < deadline:
        children = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not saved.exists()
    assert not any(child.is_running() for child in children)


def test_weights_and_evidence_that_are_read_are_not_written_over(run: Run, tmp_path: Path) -> None:
    model = str(tmp_path / "ext.onnx")
    models.external_data(model)
    (data,) = (path for path in tmp_path.iterdir() if path.name != "ext.onnx")
    before = data.read_bytes()
    folder = tmp_path / "evidence"
    folder.mkdir()
    kept = folder / "a.json"
    kept.write_text("{}")
    for command, target in (("recommend", data), ("profile", data), ("recommend", kept)):
        options = ("--no-measure", "--evidence", str(folder)) if command == "recommend" else ()
        result = run(command, model, *options, "--save", str(target))
        assert result.code == 2, result.err
        assert "is an input and would be overwritten" in result.err
    assert data.read_bytes() == before
    assert kept.read_text() == "{}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(run: Run, small_model: str, tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe.yaml")
    os.mkfifo(pipe)
    for option in ("--workload", "--device", "--network", "--cloud", "--evidence"):
        result = run("recommend", small_model, "--no-measure", option, pipe)
        assert result.code == 3
        assert "a pipe, not a file" in result.err
