from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from placer.core.errors import InputError, MeasuringError, UsageError
from placer.core.measurement import (
    METHOD_VERSION,
    Instrument,
    Machine,
    Measurement,
    ProcessRun,
    ScreenedSetting,
    SessionSettings,
)
from placer.files.cache import Cache
from placer.files.evidence import (
    MAX_FILE_BYTES,
    from_statement,
    read_evidence,
    to_statement,
)
from placer.files.keys import cache_key, environment_key
from tests import builders

MEASUREMENT = builders.measurement(0.01, runs=9)
KEY = "5" * 64

lines = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)
words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
counts = st.integers(0, 10**15)
ratios = st.floats(0, 1e6)
times_s = st.integers(0, 10**12).map(lambda time_ns: time_ns / 1e9)
samples_s = st.integers(1, 10**12).map(lambda time_ns: time_ns / 1e9)
session_settings = st.builds(
    SessionSettings,
    intra_op_threads=st.integers(0, 256),
    allow_spinning=st.none() | st.booleans(),
    graph_optimization=words,
    provider_options=st.dictionaries(names, lines, max_size=3).map(
        lambda options: tuple(sorted(options.items()))
    ),
)


@st.composite
def measurements(draw: st.DrawFn) -> Measurement:
    """Any measurement that the clock and the runtime could have given."""
    nodes = draw(st.dictionaries(words, st.integers(1, 10**6), min_size=1, max_size=3))
    optional_counts, optional_ratios = st.none() | counts, st.none() | ratios
    run = st.builds(
        ProcessRun,
        samples_s=st.lists(samples_s, min_size=1, max_size=5).map(tuple),
        session_creation_s=times_s,
        first_inference_s=times_s,
        warmup_runs=counts,
        is_steady=st.booleans(),
        peak_memory_bytes=optional_counts,
        runtime_memory_bytes=optional_counts,
    )
    tried = st.builds(
        ScreenedSetting,
        settings=session_settings,
        runs=st.integers(1, 1000),
        median_s=samples_s,
    )
    shapes = st.lists(st.integers(0, 10**6), max_size=4).map(tuple)
    return Measurement(
        subjects=tuple(draw(st.dictionaries(names, hashes, min_size=1, max_size=3)).items()),
        machine=Machine(
            cpu=draw(lines),
            architecture=draw(lines),
            cores=draw(st.integers(1, 512)),
            memory_bytes=draw(optional_counts),
            os=draw(lines),
            accelerators=tuple(draw(st.lists(lines, max_size=2))),
            machine_id=draw(lines),
        ),
        runtime=f"{draw(words)} {draw(words)}",
        ep=draw(st.sampled_from(sorted(nodes))),
        nodes_by_ep=tuple(sorted(nodes.items(), key=lambda item: (-item[1], item[0]))),
        settings=draw(session_settings),
        screened=tuple(draw(st.lists(tried, max_size=2))),
        input_shapes=tuple(draw(st.lists(st.tuples(names, shapes), max_size=3))),
        input_source=draw(
            st.one_of(st.integers(0, 99).map("seed:{}".format), hashes.map("samples:{}".format))
        ),
        gap_s=draw(times_s),
        processes=tuple(draw(st.lists(run, min_size=1, max_size=3))),
        instrument=Instrument(
            run_delay_ratio=draw(optional_ratios),
            cpu_pressure_ratio=draw(optional_ratios),
            steal_ratio=draw(optional_ratios),
            throttled_ratio=draw(optional_ratios),
            involuntary_switches_per_s=draw(optional_ratios),
            frequency_ratio=draw(optional_ratios),
            drift_ratio=draw(st.floats(-1e6, 1e6)),
            correlation_runs=draw(ratios),
            clock_resolution_s=draw(ratios),
            reasons=tuple(draw(st.lists(lines, max_size=2))),
        ),
        measured_at=draw(st.dates().map(lambda date: date.isoformat())),
    )


def document_of(measurement: Measurement = MEASUREMENT) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(to_statement(measurement, tool="placer 0.1.0"))
    return document


def refusal(text: str | bytes) -> InputError:
    with pytest.raises(InputError) as raised:
        from_statement(text, path="e.json")
    assert raised.value.hint
    assert raised.value.message.startswith("e.json:")
    return raised.value


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(measurements())
def test_a_measurement_comes_back_exactly_and_marked_as_reused(measurement: Measurement) -> None:
    statement = to_statement(measurement, tool="placer 0.1.0")
    again = from_statement(statement, path="e.json")
    assert again == replace(measurement, is_reused=True)
    assert to_statement(again, tool="placer 0.1.0") == statement


@given(st.floats(1e-9, 1e6))
def test_a_time_between_nanoseconds_is_rounded_once(sample_s: float) -> None:
    run = replace(MEASUREMENT.processes[0], samples_s=(sample_s,))
    statement = to_statement(replace(MEASUREMENT, processes=(run,)), tool="t")
    again = from_statement(statement, path="e.json")
    assert again.samples_s[0] == pytest.approx(sample_s, abs=1e-9)
    assert to_statement(again, tool="t") == statement


def test_the_statement_is_canonical_json_of_the_in_toto_shape() -> None:
    statement = to_statement(MEASUREMENT, tool="placer 0.1.0", site="rpi-4b")
    document = json.loads(statement)
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert statement == canonical.encode()
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == "urn:placer:evidence:profile:v1"
    assert document["subject"] == [
        {"name": "model.onnx", "digest": {"sha256": builders.SHA}},
    ]
    predicate = document["predicate"]
    assert predicate["site"] == "rpi-4b"
    assert predicate["method"]["tool"] == "placer 0.1.0"
    assert predicate["runtime"]["nodes_by_ep"] == {"cpu": 66}
    samples = [run["samples_s"] for run in predicate["results"]["processes"]]
    assert samples == [
        [round(sample_s, 9) for sample_s in run.samples_s] for run in MEASUREMENT.processes
    ]


def test_three_thousand_samples_take_less_than_100_kb() -> None:
    assert len(to_statement(builders.measurement(0.01, runs=3000), tool="t")) < 100_000


def test_a_runtime_without_a_version_comes_back() -> None:
    bare = replace(MEASUREMENT, runtime="custom", nodes_by_ep=())
    assert from_statement(to_statement(bare, tool="t"), path="e.json").runtime == "custom"


def test_reads_evidence_that_was_indented_or_marked_by_an_editor() -> None:
    text = "\ufeff" + json.dumps(document_of(), indent=2)
    assert from_statement(text, path="e.json").ep == "cpu"
    assert from_statement(text.encode(), path="e.json").ep == "cpu"


def test_writes_no_evidence_that_it_would_refuse_to_read() -> None:
    run = replace(MEASUREMENT.processes[0], samples_s=(0.0,))
    with pytest.raises(
        MeasuringError,
        match=r"processes\[0\].samples_s\[0\]: should be .*1, found 0.0",
    ):
        to_statement(replace(MEASUREMENT, processes=(run,)), tool="t")


@pytest.mark.parametrize("site", ["", "a\x1b[2J"])
def test_refuses_to_write_a_site_without_a_proper_name(site: str) -> None:
    with pytest.raises(UsageError, match="is not a name"):
        to_statement(MEASUREMENT, tool="t", site=site)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(_type="x"), "_type is 'x', expected 'https://in-toto.io/Statement/v1'"),
        (lambda d: d.pop("_type"), "_type is missing"),
        (
            lambda d: d.update(predicateType="urn:placer:evidence:profile:v2"),
            "predicateType is 'urn:placer:evidence:profile:v2', expected",
        ),
        (lambda d: d.update(subject=[]), "subject: "),
        (
            lambda d: d["subject"][0]["digest"].update(sha256="z" * 64),
            "subject[0].digest.sha256: string should match pattern",
        ),
        (lambda d: d["subject"].append(d["subject"][0]), "two subjects have the same name"),
        (lambda d: d.pop("predicate"), "predicate: is missing"),
        (lambda d: d["predicate"].pop("site"), "predicate.site: is missing"),
        (
            lambda d: d["predicate"].update(sight=None),
            "predicate.sight: is not a key of evidence",
        ),
        (
            lambda d: d["predicate"]["device"].update(cores="4"),
            "predicate.device.cores: should be a valid integer, found '4'",
        ),
        (
            lambda d: d["predicate"]["device"].update(cores=True),
            "predicate.device.cores: should be a valid integer, found true",
        ),
        (
            lambda d: d["predicate"]["device"].update(cpu="\x1b[31mfast"),
            "predicate.device.cpu: should hold no control characters",
        ),
        (
            lambda d: d["predicate"]["device"].update(cpu="another"),
            "predicate: environment_key does not fit device and runtime: they were edited",
        ),
        (
            lambda d: d["predicate"]["runtime"].update(ep="cuda"),
            "predicate.runtime: no node ran on 'cuda', all ran on cpu",
        ),
        (
            lambda d: d["predicate"]["workload"].update(input_source="made up"),
            "predicate.workload.input_source: string should match",
        ),
        (
            lambda d: d["predicate"]["workload"]["inputs"][0].update(shape=[-1]),
            "predicate.workload.inputs[0].shape[0]: should be greater than or equal to 0",
        ),
        (
            lambda d: d["predicate"]["results"].update(processes=[]),
            "predicate.results.processes: ",
        ),
        (
            lambda d: d["predicate"]["results"]["processes"][1].update(samples_s=[]),
            "predicate.results.processes[1].samples_s: ",
        ),
        (
            lambda d: d["predicate"]["results"]["processes"][1]["samples_s"].append(-0.01),
            "or equal to 0.000000001, found -0.01",
        ),
        (
            lambda d: d["predicate"]["results"]["processes"][0].update(samples_s=[0, 0]),
            "or equal to 0.000000001, found 0 (and",
        ),
        (
            lambda d: d["predicate"]["results"]["processes"][0].update(samples_s=[1e-300] * 9),
            "or equal to 0.000000001, found 1e-300",
        ),
        (
            lambda d: d["predicate"]["runtime"].update(executed_by_ep={"cuda": 3}),
            "predicate.runtime: no kernel ran on 'cpu', all ran on cuda",
        ),
        (
            lambda d: d["predicate"]["runtime"].update(fallback={"Conv": 500}),
            "predicate.runtime: fallback has 500 nodes, nodes_by_ep 0",
        ),
        (
            lambda d: d["predicate"]["runtime"].update(
                parity={
                    "samples": 5,
                    "max_difference": 1e9,
                    "relative_difference": 0.0,
                    "agreement_ratio": 1.0,
                }
            ),
            "predicate.runtime.parity: of max_difference and relative_difference one is 0",
        ),
        (
            lambda d: d["predicate"]["method"].update(
                screened=[
                    {
                        "settings": d["predicate"]["runtime"]["settings"],
                        "runs": 9,
                        "median_s": 0.01,
                        "ratio": 1e-4,
                        "low_ratio": 5.0,
                        "high_ratio": 0.1,
                    }
                ]
            ),
            "predicate.method.screened[0]: ratio is not between",
        ),
        (
            lambda d: d["predicate"]["runtime"].update(ep="cuda", nodes_by_ep={}),
            "it does not say that a node ran on 'cuda'",
        ),
        (
            lambda d: d["predicate"].update(measured_at="yesterday"),
            "predicate.measured_at: should be a date like 2026-11-23, found 'yesterday'",
        ),
        (
            lambda d: d["predicate"]["method"].update(method_version=0),
            "predicate.method.method_version: should be greater than or equal to 1, found 0",
        ),
    ],
)
def test_refuses_evidence_with_a_value_out_of_place(change: Change, message: str) -> None:
    document = document_of()
    change(document)
    assert message in refusal(json.dumps(document)).message


def test_names_a_later_method_before_anything_that_it_changed() -> None:
    document = document_of()
    document["predicate"]["method"] = {"method_version": METHOD_VERSION + 1, "new": 1}
    error = refusal(json.dumps(document))
    assert f"measured by method {METHOD_VERSION + 1}" in error.message
    assert error.hint == "update placer, or measure again with this one"


@pytest.mark.parametrize(
    "predicate", [None, [], {"method": 1}, {"method": {"method_version": "2"}}]
)
def test_a_predicate_of_another_shape_is_refused(predicate: object) -> None:
    assert "predicate" in refusal(json.dumps(document_of() | {"predicate": predicate})).message


TEXT = to_statement(MEASUREMENT, tool="t").decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "e.json:1:1: the JSON ends too early"),
        (TEXT[:900], "e.json:1:901: the JSON ends too early"),
        (TEXT[: TEXT.index("Test") + 2], "the JSON ends too early"),
        ('{"a":1,}', "e.json:1:8: not JSON: "),
        ("[]", "e.json: evidence is a JSON object"),
        (TEXT.replace('"cores":4', '"cores":4,"cores":8'), "the key 'cores' stands twice"),
        (TEXT.replace('"gap_s":0.0', '"gap_s":NaN'), "NaN is not a number in JSON"),
        (TEXT.replace('"gap_s":0.0', '"gap_s":-Infinity'), "-Infinity is not a number"),
        (TEXT.replace('"gap_s":0.0', '"gap_s":1e999'), "gap_s: should be a finite number"),
        (TEXT.replace('"cores":4', '"cores":' + "9" * 5000), "a number has too many digits"),
        (TEXT.replace("Test CPU", r"\udce9"), "e.json: invalid JSON: lone leading surrogate"),
        ("[" * 100_000, "e.json: nested too deeply"),
        (b"\xff\xfe{}", "e.json: not UTF-8 text (byte 0)"),
    ],
)
def test_refuses_text_that_is_no_proper_json(text: str | bytes, message: str) -> None:
    assert message in refusal(text).message


def test_every_truncation_of_a_statement_is_refused() -> None:
    for end in range(0, len(TEXT), 7):
        refusal(TEXT[:end])


def test_reads_files_with_site_and_the_digest_of_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "cloud.json"
    path.write_bytes(to_statement(MEASUREMENT, tool="t", site="aws-g4dn.xlarge"))
    (evidence,) = read_evidence([str(path)])
    assert evidence.measurement == replace(from_statement(TEXT, path=""), is_reused=True)
    assert evidence.site == "aws-g4dn.xlarge"
    assert evidence.id == hashlib.sha256(path.read_bytes()).hexdigest()
    assert evidence.path == str(path)


def test_reads_the_evidence_of_a_directory_in_order_and_skips_other_json(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_bytes(to_statement(MEASUREMENT, tool="t", site=name))
    (tmp_path / "other.json").write_text('{"_type": "https://in-toto.io/Statement/v1"}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "notes.txt").write_text("no JSON")
    (tmp_path / "folder.json").mkdir()
    found = read_evidence([str(tmp_path), str(tmp_path / "a.json")])
    assert [evidence.site for evidence in found] == ["a", "b", "a"]
    assert [Path(evidence.path).name for evidence in found] == ["a.json", "b.json", "a.json"]


@pytest.mark.parametrize("text", [TEXT[:900], TEXT.replace("profile:v1", "profile:v9")])
def test_a_damaged_or_later_file_in_a_directory_is_not_passed_over(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "a.json").write_text(TEXT)
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(InputError, match=r"b\.json"):
        read_evidence([str(tmp_path)])


def test_a_directory_without_evidence_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing to read, the directory has no evidence$"):
        read_evidence([str(tmp_path)])
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(InputError, match=r"has no evidence \(1 other JSON files\)") as raised:
        read_evidence([str(tmp_path)])
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(("median_s", "is_refused"), [(0.035, False), (0.5, True), (10.0, True)])
def test_samples_that_their_trial_belies_are_refused(
    tmp_path: Path, median_s: float, is_refused: bool
) -> None:
    path = tmp_path / "edited.json"
    other = replace(MEASUREMENT.settings, intra_op_threads=1)
    trial = ScreenedSetting(MEASUREMENT.settings, 30, median_s)
    edited = replace(MEASUREMENT, screened=(ScreenedSetting(other, 30, 99.0), trial))
    path.write_bytes(to_statement(edited, tool="t"))
    if not is_refused:
        read_evidence([str(path)])
        return
    with pytest.raises(InputError) as raised:
        read_evidence([str(path)])
    assert "that of the trial of the same settings" in raised.value.message


def test_a_trial_in_a_busy_moment_makes_no_evidence_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "busy.json"
    trial = ScreenedSetting(MEASUREMENT.settings, 30, 10.0)
    noted = replace(MEASUREMENT.instrument, reasons=("the trial took longer",))
    busy = replace(MEASUREMENT, screened=(trial,), instrument=noted)
    path.write_bytes(to_statement(busy, tool="t"))
    (read,) = read_evidence([str(path)])
    assert read.measurement.screened == (trial,)


def test_processes_with_the_same_samples_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "edited.json"
    first, second, third = MEASUREMENT.processes
    copied = replace(third, samples_s=first.samples_s)
    edited = replace(MEASUREMENT, processes=(first, second, copied))
    path.write_bytes(to_statement(edited, tool="t"))
    with pytest.raises(InputError) as raised:
        read_evidence([str(path)])
    assert raised.value.exit_code == 3
    assert raised.value.message.startswith(
        f"{path}: predicate.results.processes[2].samples_s: the same samples as in processes[0]"
    )


def test_equal_runs_on_a_coarse_clock_are_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "coarse.json"
    coarse = builders.measurement(values_s=[1e-6] * 60)
    path.write_bytes(to_statement(coarse, tool="t"))
    assert read_evidence([str(path)])


@pytest.mark.parametrize(("days", "is_refused"), [(0, False), (1, False), (2, True), (700, True)])
def test_evidence_from_the_future_is_refused(tmp_path: Path, days: int, is_refused: bool) -> None:
    path = tmp_path / "future.json"
    day = (datetime.now(tz=UTC) + timedelta(days=days)).date().isoformat()
    path.write_bytes(to_statement(replace(MEASUREMENT, measured_at=day), tool="t"))
    if not is_refused:
        assert read_evidence([str(path)])
        return
    with pytest.raises(InputError) as raised:
        read_evidence([str(path)])
    assert raised.value.exit_code == 3
    assert raised.value.message == f"{path}: predicate.measured_at: {day} is in the future"


def test_a_report_given_as_evidence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text('{"schema": "placer/recommendation/v1"}')
    with pytest.raises(InputError, match="_type is missing") as raised:
        read_evidence([str(path)])
    assert raised.value.hint == "evidence is written by: placer profile MODEL --save FILE"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.json", "no such file or directory"),
        ("n" * 300, "file name too long"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_says_why_a_file_cannot_be_read(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_evidence([str(tmp_path / name)])


def test_does_not_read_an_endless_file(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="larger than 64 MiB"):
        read_evidence([str(path)])


def a_cache_key(**changes: Any) -> str:
    asked: dict[str, Any] = {
        "model_sha256": builders.SHA,
        "external_data": (("model.data", "ef" * 32), ("more.data", "cd" * 32)),
        "environment_key": KEY,
        "input_shapes": MEASUREMENT.input_shapes,
        "input_source": "seed:7",
        "interval_s": 0.0,
        "settings": None,
    }
    return cache_key(**(asked | changes))


def test_the_cache_key_tells_every_question_apart() -> None:
    sha256 = "cd" * 32
    keys = [
        a_cache_key(),
        a_cache_key(model_sha256=sha256),
        a_cache_key(external_data=()),
        a_cache_key(external_data=(("model.data", sha256), ("more.data", "ef" * 32))),
        a_cache_key(external_data=(("model.data", "ef" * 32),)),
        a_cache_key(environment_key="6" * 64),
        a_cache_key(input_shapes=(("x", (8, 3, 64, 64)),)),
        a_cache_key(input_source="seed:8"),
        a_cache_key(interval_s=0.02),
        a_cache_key(settings=SessionSettings(1, allow_spinning=False)),
        a_cache_key(settings=SessionSettings(1, allow_spinning=True)),
        a_cache_key(
            settings=SessionSettings(1, allow_spinning=True, provider_options=(("a", "b"),))
        ),
    ]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


def test_the_cache_key_does_not_depend_on_how_numbers_and_order_are_written() -> None:
    pair = (("a.data", "ab" * 32), ("b.data", "cd" * 32))
    assert a_cache_key(interval_s=0) == a_cache_key(interval_s=0.0)
    assert a_cache_key(external_data=pair) == a_cache_key(external_data=pair[::-1])


def test_the_environment_key_tells_machines_runtimes_and_options_apart() -> None:
    machine, runtime = MEASUREMENT.machine, "onnxruntime 1.32.0"
    options = SessionSettings(1, allow_spinning=True, provider_options=(("precision", "fp16"),))
    keys = [
        environment_key(machine, runtime, "cpu"),
        environment_key(replace(machine, machine_id="other"), runtime, "cpu"),
        environment_key(replace(machine, cpu="other"), runtime, "cpu"),
        environment_key(replace(machine, cores=2), runtime, "cpu"),
        environment_key(replace(machine, os="Linux 7"), runtime, "cpu"),
        environment_key(replace(machine, architecture="aarch64"), runtime, "cpu"),
        environment_key(replace(machine, accelerators=("T4",)), runtime, "cpu"),
        environment_key(machine, "onnxruntime 1.33.0", "cpu"),
        environment_key(machine, runtime, "openvino"),
        environment_key(machine, runtime, "cpu", options),
    ]
    assert len(set(keys)) == len(keys)


def test_memory_limits_and_threads_do_not_change_the_environment() -> None:
    machine, runtime = MEASUREMENT.machine, "onnxruntime 1.32.0"
    key = environment_key(machine, runtime, "cpu")
    assert environment_key(replace(machine, memory_bytes=1), runtime, "cpu") == key
    threads = SessionSettings(1, allow_spinning=False)
    assert environment_key(machine, runtime, "cpu", threads) == key


def test_the_cache_returns_what_was_put_and_nothing_else(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "new" / "placer"))
    assert cache.get(KEY) == (None, None)
    assert cache.put(KEY, MEASUREMENT) is None
    found, warning = cache.get(KEY)
    assert warning is None
    assert found is not None
    assert found.is_reused
    assert found.machine == MEASUREMENT.machine
    assert cache.get("6" * 64) == (None, None)


def test_a_corrupt_cache_entry_is_a_miss_with_a_warning_and_is_replaced(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path))
    cache.put(KEY, MEASUREMENT)
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(entry.read_bytes()[:500])
    found, warning = cache.get(KEY)
    assert found is None
    assert warning is not None
    assert "the cache was not read, measuring again" in warning
    assert entry.name in warning
    assert cache.put(KEY, MEASUREMENT) is None
    assert cache.get(KEY)[0] is not None


def test_a_directory_in_place_of_a_cache_entry_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / f"{KEY}.json").mkdir()
    cache = Cache(str(tmp_path))
    found, warning = cache.get(KEY)
    assert found is None
    assert "is a directory" in (warning or "")
    assert "is a directory" in (cache.put(KEY, MEASUREMENT) or "")


def test_a_cache_that_cannot_be_made_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(str(tmp_path / "file" / "placer"))
    assert cache.get(KEY) == (None, None)
    warning = cache.put(KEY, MEASUREMENT)
    assert "the measurement was not kept for the next time" in (warning or "")


def test_the_example_in_the_documentation_is_evidence() -> None:
    text = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    measurement = from_statement(example, path="docs/evidence.md")
    assert measurement.ep == "cpu"
    assert len(measurement.processes) == 3
    keys = {key for line in example.splitlines() for key in re.findall(r'"(\w+)":', line)}
    described = set(re.findall(r"`(\w+)`", text.replace(example, "")))
    assert keys - described == set()
