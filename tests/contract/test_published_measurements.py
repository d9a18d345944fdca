"""Every published measurement: it is checked, cited, and meant for sites that the catalogue has."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from placer.core.errors import InputError, UsageError
from placer.core.measured_rows import MeasuredRow
from placer.core.runtime import parse_ep
from placer.files import catalogue, measured
from placer.files.catalogue import Kind
from placer.files.measured import SOURCES, Source, parse_rows, rows_of

ROWS = tuple(measured.all_rows())
FOLDER = Path(__file__).parents[2] / "profiles" / "measured"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
DATE = datetime.date(2026, 3, 1)
HEAD = "model,component,device,runtime,precision,latency_ms,throughput_per_s,unit,nodes,date\n"


def test_every_table_of_the_folder_is_a_source_that_the_readme_counts() -> None:
    assert {path.stem for path in FOLDER.glob("*.csv")} == {source.key for source in SOURCES}
    counts = dict(re.findall(r"^\| `(\w+)\.csv` \| ([\d,]+) \|", README, re.MULTILINE))
    assert counts == {source.key: f"{len(rows_of(source)):,}" for source in SOURCES}
    page = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert f"{len(ROWS):,} rows" in page


def test_every_row_says_source_date_and_one_quantity() -> None:
    for row in ROWS:
        assert row.source
        assert row.measured_at < "2027"
        assert (row.latency_s is None) != (row.throughput_per_s is None)


def test_mlperf_results_are_cited_with_round_and_submitter() -> None:
    for row in ROWS:
        if row.name.startswith("mlperf/"):
            assert re.search(r"round v\d\.\d, \w+", row.source), row.source
            assert row.dtype is None  # the source does not state it


def test_every_site_is_in_the_catalogue_and_in_a_table() -> None:
    known = {*catalogue.list_names(Kind.DEVICES), *catalogue.list_names(Kind.CLOUDS)}
    assert set(measured.SITES.values()) <= known
    assert {row.site for row in ROWS} - {None} == set(measured.SITES.values())
    devices = {(row.name.split("/")[0], row.device) for row in ROWS}
    assert set(measured.NOT_SITES) <= devices
    assert {(source, device) for source, device, _ in measured.SITES} <= devices


def test_a_proxy_is_not_the_device_that_it_stands_for() -> None:
    proxies = [row for row in ROWS if "Proxy" in row.device]
    assert proxies
    assert all(row.site is None and "stands in" in row.why_no_site for row in proxies)


def test_execution_providers_are_known_or_it_is_said_why_there_is_none() -> None:
    for row in ROWS:
        assert bool(row.ep) != bool(row.why_no_ep)
        if row.ep is not None:
            assert parse_ep(row.ep) == row.ep
    assert {row.ep for row in ROWS if row.runtime in ("qnn_dlc", "tflite", "RKNN")} == {None}


def test_float_models_ran_in_float16_on_the_npu_and_in_float32_where_they_fell_back() -> None:
    found = {
        (row.dtype, row.is_fallback)
        for row in ROWS
        if row.name.startswith("aihub/") and row.precision == "float" and row.unit != "GPU"
    }
    assert found == {("float16", False), ("float32", True)}


def test_a_name_holds_the_component_where_a_model_has_several() -> None:
    names = {row.name for row in ROWS}
    assert "aihub/whisper_base/HfWhisperEncoder" in names
    assert "aihub/resnet50" in names


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet50", "aihub/resnet50"),
        ("aihub/resnet5", "aihub/resnet50"),
        ("HfWhisperEncoder", "aihub/whisper_base/HfWhisperEncoder"),
        ("openvino/resnet50", "openvino/resnet-50"),
    ],
)
def test_an_unknown_row_gets_the_nearest_one(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{near}'") as caught:
        measured.load_published(name, DATE)
    assert "catalog show" in (caught.value.hint or "")


def parsed(line: str, head: str = HEAD) -> tuple[MeasuredRow, ...]:
    source = Source("aihub", "A", "v", "the fastest", npu_runtimes=True)
    return parse_rows(source, head + line, path="a.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("m,,d,onnx,float,1.5,,NPU,NPU:3", "a.csv:2: has not as many cells"),
        ("m,,d,onnx,float,1.5,,NPU,NPU:3,2026-02-12,x", "a.csv:2: has not as many cells"),
        (",,d,onnx,float,1.5,,NPU,NPU:3,2026-02-12", "a.csv:2: model is empty"),
        ("m,,d,onnx,float,,,NPU,NPU:3,2026-02-12", "a.csv:2: states not one of"),
        ("m,,d,onnx,float,1,2,NPU,NPU:3,2026-02-12", "a.csv:2: states not one of"),
        ("m,,d,onnx,float,fast,,NPU,NPU:3,2026-02-12", "a.csv:2: latency_ms: 'fast' is no number"),
        ("m,,d,onnx,float,0,,NPU,NPU:3,2026-02-12", "a.csv:2: latency_ms: 0 is not above zero"),
        ("m,,d,onnx,float,nan,,NPU,NPU:3,2026-02-12", "nan is not above zero"),
        ("m,,d,onnx,float,1,,TPU,NPU:3,2026-02-12", "unit 'TPU'"),
        ("m,,d,onnx,float,1,,NPU,NPU=3,2026-02-12", "nodes 'NPU=3'"),
        ("m,,d,onnx,float,1,,NPU,NPU:3,2026-13-12", "'2026-13-12' is no date"),
        ('m,,d,onnx,"float,1,,NPU,NPU:3,2026-02-12', "a.csv:2: "),
    ],
)
def test_a_damaged_row_is_told_with_its_line(line: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parsed(line)


@pytest.mark.parametrize("head", ["model,device,runtime\n", "model,device,runtime,date,speed\n"])
def test_a_header_that_is_not_known_is_refused(head: str) -> None:
    with pytest.raises(InputError, match=r"a\.csv:1: the header is wrong"):
        parsed("", head)
