"""``placer catalog``: what it shows, in every format, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placer.cli import main
from placer.files import catalogue
from placer.files.catalogue import Kind
from placer.files.positions import parse_yaml


def output(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["catalog", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


@pytest.mark.parametrize("columns", [80, 120, 250])
@pytest.mark.parametrize("kind", list(Kind))
def test_lists_every_name_of_a_kind_within_the_width(
    kind: Kind, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = output(capsys, "list", kind)
    lines = text.splitlines()
    assert {line.split(" ", 1)[0] for line in lines} >= set(catalogue.list_names(kind))
    assert max(map(len, lines)) <= columns
    assert "not known" in lines[-1 if kind in ("networks", "regions", "workloads") else -2]
    assert (columns < 250) or "source" in text


def test_lists_figures_estimates_and_what_is_not_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = {
        line.split(" ", 1)[0]: line.split() for line in output(capsys, "list").splitlines() if line
    }
    assert rows["rpi4"] == ["rpi4", "cpu", "1", "~12.8", "~0.058", "-", "15", "-", "E6"]
    assert rows["fiber_100"] == ["fiber_100", "10", "18.8", "-", "~99", "~99.5", "~0", "~0"]
    assert rows["aws-g6.12xlarge"][1:] == ["us-east-2", "US", "4×", "L4", "4.602", "0.09", "E5"]
    assert rows["clinic-imaging"][1:] == ["~p95", "≤", "10.0", "s", "~30/h", "special", "fiber_100"]
    assert rows["people-counting-shop"][1:] == [
        "~≥",
        "1,000/s",
        "5/s",
        "×",
        "200",
        "personal",
        "lte_us",
    ]
    assert rows["aws-eu-west-2"] == ["aws-eu-west-2", "Europe", "(London)", "UK", "GB", "-"]


def test_json_has_every_entry_in_units_of_the_core(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(output(capsys, "list", "--format", "json"))
    assert document["schema"] == "placer/catalog/v1"
    for kind in Kind:
        assert tuple(len(document[kind]) for _ in "1") == (len(catalogue.list_names(kind)),)
    device = next(one for one in document["devices"] if one["name"] == "orin-nano-super")
    assert (device["price_usd"], device["power_w"], device["memory_bytes"]) == (249, 25, 8e9)
    assert device["peak_fp32_flops_per_s"] is None
    assert "peak_int8" in device["estimated"]
    cloud = next(one for one in document["clouds"] if one["name"] == "aws-g4dn.xlarge")
    assert cloud["offers"][0]["usd_per_hour"] == 0.526
    assert cloud["accelerator"]["peak_fp32_flops_per_s"] == 8.1e12


@pytest.mark.parametrize(
    "name", ["rpi5", "fiber_100", "aws-c7i.xlarge", "azure-eastus", "starlink_us", "mobile-robot"]
)
def test_shows_every_figure_with_its_unit_and_source(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    entry = catalogue.find_entry(name)
    text = output(capsys, "show", name)
    assert text.startswith(f"{name} ({entry.kind.singular})")
    assert max(map(len, text.splitlines())) <= 80
    for key, value in entry.data.items():
        if isinstance(value, str) and key not in ("name", "title", "note", "source"):
            assert " ".join(value.split()) in " ".join(text.split())
    for why in entry.spec.estimated.values():
        assert why.split()[0] in text
    assert "source" in text


def test_names_what_is_not_known_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "not known: peak_fp16, peak_int8, price" in output(capsys, "show", "rpi4")


def test_yaml_is_the_file_and_a_start_for_one_of_your_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    main(["catalog", "show", "fiber_100", "--output", f"yaml={path}"])
    assert catalogue.load_network(str(path)) == catalogue.load_network("fiber_100")
    text = output(capsys, "show", "fiber_100", "--format", "yaml")
    assert parse_yaml(text, path="x").data == catalogue.find_entry("fiber_100").data


def test_show_json_says_the_kind(capsys: pytest.CaptureFixture[str]) -> None:
    region = json.loads(output(capsys, "show", "azure-eastus", "--format", "json"))
    assert (region["kind"], region["jurisdiction"]) == ("region", "US")
    assert region["rtt_p95_to_ms"]["uksouth"] == 80
    assert region["as_of"] == "2025-09-23"
    assert region["rtt_p95_to_ms"]["westeurope"] == 89
    tpu = json.loads(output(capsys, "show", "aws-c7i.xlarge", "--format", "json"))
    assert tpu["accelerator"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "device"), "did you mean 'devices'?"),
        (("list", "--format", "yaml"), "unknown format 'yaml'"),
        (("show", "rpi55"), "did you mean 'rpi5'?"),
        (("show", "../devices/rpi5"), "the catalogue has no"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_a_usage_error_with_the_nearest_one(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in output(capsys, *arguments, code=2)


def test_a_device_is_shown_with_its_roofline(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "show", "rpi5")
    assert "s float32 peak 154 GFLOP/s, / memory 17.1 GB/s" in text
    assert "Roofline" not in output(capsys, "show", "fiber_100")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_sla_lists_the_models_that_were_measured_within_it(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = output(capsys, "show", "sd-8gen3", "--sla", "1ms", "--as-of", "2026-03-01")
    lines = text[text.index("Measured models") :].splitlines()
    assert max(map(len, lines)) <= columns
    start = lines.index("aihub/resnet50")
    rows = [line.split() for line in lines[start + 1 : start + 4]]
    assert rows[2] == ["864", "µs", "1.12", "ms?", "w8a8", "onnx", "qnn", "NPU", "2026-02-12"]
    assert "QAIRT 2.42.0: the fastest of many" in " ".join(text.split())


def test_json_has_the_measured_models_with_source_and_date(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("show", "sd-8gen3", "--format", "json")
    assert json.loads(output(capsys, *arguments))["measured_models"] is None
    models = json.loads(output(capsys, *arguments, "--sla", "1ms", "--as-of", "2026-03-01"))[
        "measured_models"
    ]
    assert (models["limit_s"], models["as_of"]) == (0.001, "2026-03-01")
    assert all(row["latency_s"] <= 0.001 for row in models["rows"])
    assert models["too_slow"] + models["without_latency"] + len(models["rows"]) == 498
    (row,) = (
        one
        for one in models["rows"]
        if (one["name"], one["runtime"], one["precision"]) == ("aihub/resnet50", "onnx", "w8a8")
    )
    assert row["high_s"] == pytest.approx(1.3 * row["latency_s"])
    assert (row["ep"], row["dtype"], row["measured_at"]) == ("qnn", "int8", "2026-02-12")
    assert row["nodes_by_unit"].keys() == {"NPU"}
    assert "quic/ai-hub-models" in row["source"]


def test_rows_that_fell_back_from_the_npu_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "show", "sd-8gen3", "--sla", "10s")
    assert "CPU!" in text
    assert "! fell back from the NPU" in " ".join(text.split())


def test_a_throughput_is_no_latency(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "show", "rk3588", "--sla", "1s")
    assert "Measured models within 1.00 s: 0 (46 state a throughput" in text
    assert "none was published for rpi5" in output(capsys, "show", "rpi5", "--sla", "1s")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fiber_100", "--sla", "1ms"), "no models are measured on a network"),
        (("rpi5", "--sla", "p95=1ms"), "of no percentile"),
        (("rpi5", "--sla", "1"), "--sla"),
        (("rpi5", "--as-of", "2026-03-01"), "--as-of has no effect without --sla"),
        (("rpi5", "--sla", "1ms", "--format", "yaml"), "no effect on yaml"),
    ],
)
def test_a_limit_that_changes_nothing_is_an_error(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in output(capsys, "show", *arguments, code=2)
