"""Workload files: what they can say, what is refused, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from placer.core.errors import PlacerError, UsageError
from placer.core.workload import (
    Arrival,
    DataClass,
    LatencyTarget,
    Leaves,
    Objective,
    Workload,
)
from placer.files.catalogue import load_workload
from placer.files.workload import workload_schema

FULL = """\
schema: placer/workload/v1
name: line
title: A line
model:
  path: models/net.onnx
  variants: [models/net-int8.onnx]
  min_agreement: 99%
  shapes: {x: [1, 3, 224, 224]}
  inputs: ../samples.npz
latency: {p50: 10 ms, p99.9: 20 ms}
demand:
  rate: 5/s
  arrival: poisson
  devices: 20
  hours_per_day: 12
  days_per_week: 3.5
throughput: 200/s
availability: 99.9%
must_work_offline: true
data:
  class: personal
  may_leave: intermediate
  regions: [EU, eu-north-1]
  retention: 0 s
  encryption: true
request_size: 80 KiB
budget: 500 USD/month
objective: latency
device: {name: ./box.yaml, location: DE, memory: 2 GB, power: 15 W}
network: lte_us
clouds: [aws-g6.xlarge@eu-north-1, mine.yaml@here]
evidence: [records/, box=/somewhere/box.json]
measuring: {execution_providers: [cpu], threads: 2, spinning: false, time_limit: 10 s}
"""


def written(folder: Path, text: str) -> str:
    path = folder / "w.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def full(folder: Path) -> str:
    (folder / "box.yaml").write_text("name: box\nclass: cpu\n")
    (folder / "mine.yaml").write_text(
        "name: mine\nprovider: me\ninstance: one\nclass: cpu\nep: cpu\noffers: [{region: here}]\n"
    )
    return written(folder, FULL)


def test_a_file_can_say_everything(tmp_path: Path) -> None:
    file = load_workload(full(tmp_path))
    assert file.workload == Workload(
        targets=(LatencyTarget(0.5, 0.010), LatencyTarget(0.999, 0.020)),
        data_class=DataClass.PERSONAL,
        regions=("EU", "eu-north-1"),
        may_leave=Leaves.INTERMEDIATE,
        needs_encryption=True,
        retention_limit_s=0.0,
        must_work_offline=True,
        availability_ratio=0.999,
        wire_input_bytes=81920,
        rate_hz=5.0,
        arrival=Arrival.POISSON,
        fleet=20,
        active_ratio=0.25,
        throughput_hz=200.0,
        min_agreement_ratio=0.99,
        budget_usd_per_month=500.0,
        memory_limit_bytes=2 * 10**9,
        power_limit_w=15.0,
        objective=Objective.LATENCY,
    )
    assert file.shapes == {"x": (1, 3, 224, 224)}
    assert (file.network, file.eps, file.threads, file.spinning) == ("lte_us", ("cpu",), 2, False)
    assert file.time_limit_s == 10.0
    assert file.location == "DE"


def test_a_place_that_nobody_knows_is_told_where_it_stands(tmp_path: Path) -> None:
    text = "schema: placer/workload/v1\nname: w\ndevice: {location: azure-uksout}\n"
    with pytest.raises(UsageError, match=r"w\.yaml:3:10: unknown place 'azure-uksout'") as error:
        load_workload(written(tmp_path, text))
    assert "azure-uksouth" in error.value.message


def test_a_file_can_ask_for_an_accuracy(tmp_path: Path) -> None:
    text = "schema: placer/workload/v1\nname: w\nmodel: {min_accuracy: 97%}\n"
    assert load_workload(written(tmp_path, text)).workload == Workload(min_accuracy_ratio=0.97)


def test_a_file_can_limit_the_error_of_a_split(tmp_path: Path) -> None:
    text = "schema: placer/workload/v1\nname: w\nmodel: {max_error: 2%}\n"
    assert load_workload(written(tmp_path, text)).workload == Workload(max_error_ratio=0.02)
    with pytest.raises(UsageError, match=r"w\.yaml:3:\d+: "):
        load_workload(written(tmp_path, text.replace("2%", "200%")))


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = load_workload(full(tmp_path))
    near = f"{tmp_path}/"
    assert file.model == f"{near}models/net.onnx"
    assert file.variants == (f"{near}models/net-int8.onnx",)
    assert file.inputs == f"{tmp_path.parent}/samples.npz"
    assert file.device == f"{near}./box.yaml"
    assert file.clouds == ("aws-g6.xlarge@eu-north-1", f"{near}mine.yaml@here")
    assert file.evidence == (f"{near}records/", "box=/somewhere/box.json")


def test_the_least_file_asks_what_the_bare_command_asks(tmp_path: Path) -> None:
    file = load_workload(written(tmp_path, "schema: placer/workload/v1\nname: x\n"))
    assert file.workload == Workload()
    assert (file.model, file.device, file.network, file.clouds) == (None, None, None, ())


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("  rate: 5/s", "  rat: 5/s", "12:3", "unknown key 'rat' (did you mean 'rate'?)"),
        ("latency:", "latncy:", "10:1", "unknown key 'latncy' (did you mean 'latency'?)"),
        ("p99.9: 20 ms", "p99.9: 20", "10:23", "latency '20' has no unit"),
        ("p50: 10 ms", "p101: 10 ms", "10:1", "percentile"),
        ("p50: 10 ms", "p50: 30 ms", "10:1", "p50 never decides"),
        ("p99.9: 20 ms", "p50.0: 20 ms", "10:1", "latency states p50 twice"),
        ("rate: 5/s", "rate: 5 MB", "12:3", "unknown unit"),
        ("rate: 5/s", "rate: 0/s", "12:3", "greater than zero"),
        ("poisson", "poison", "13:3", "did you mean 'poisson'?"),
        ("devices: 20", "devices: 0", "14:3", "devices '0'"),
        ("devices: 20", "devices: many", "14:3", "devices 'many'"),
        ("hours_per_day: 12", "hours_per_day: true", "15:3", "hours_per_day 'True'"),
        ("[records/, box=/somewhere/box.json]", "[]", "32:1", "evidence"),
        ("hours_per_day: 12", "hours_per_day: 25", "15:3", "hours_per_day '25'"),
        ("throughput: 200/s", "throughput: 20/s", "17:1", "below the demand of 100/s"),
        ("99.9%", "999%", "18:1", "not a ratio"),
        ("must_work_offline: true", "must_work_offline: yes", "19:1", "neither true nor false"),
        ("throughput: 200/s", "throughput: 1e300/s", "17:1", "more than anyone answers"),
        (
            "[EU, eu-north-1]",
            "[1]",
            "23:13",
            "regions is read as the number 1, and text belongs here",
        ),
        ("[EU, eu-north-1]", "[]", "23:3", "regions is empty"),
        (
            "clouds: [aws-g6.xlarge@eu-north-1, mine.yaml@here]",
            "clouds: aws-g6.xlarge",
            "31:1",
            "clouds 'aws-g6.xlarge' is not a list",
        ),
        ("class: personal", "class: secret", "21:3", "class 'secret'"),
        ("intermediate", "everything", "22:3", "may_leave 'everything'"),
        ("[EU, eu-north-1]", "[EU, eu-nowhere-1]", "23:17", "unknown region 'eu-nowhere-1'"),
        ("encryption: true", "encryption: false", "25:3", "personal data must be encrypted"),
        ("80 KiB", "80", "26:1", "request_size '80' has no unit"),
        ("500 USD/month", "500 EUR/month", "27:1", "unknown unit"),
        ("objective: latency", "objective: speed", "28:1", "objective 'speed'"),
        ("name: ./box.yaml", "name: rpi55", "29:10", "unknown device 'rpi55' (did you mean"),
        ("lte_us", "lte_uk", "30:1", "unknown network 'lte_uk' (did you mean 'lte_us'?)"),
        ("eu-north-1, mine", "eu-nowhere-9, mine", "31:10", "no offer in region"),
        ("spinning: false", "spinning: 0", "33:53", "neither true nor false"),
        ("[cpu]", "[cpuu]", "33:35", "cpuu"),
        ("title: A line", "name: again", "3:1", "the key 'name' is given twice (first in line 2)"),
        ("  rate: 5/s", "\trate: 5/s", "12:1", "a tab in the indentation"),
        ("workload/v1", "workload/v2", "1:1", "schema 'placer/workload/v2'"),
        ("schema: placer/workload/v1\n", "", "1:1", "the key 'schema' is missing"),
        ("name: line\n", "", "1:1", "the key 'name' is missing"),
        ("schema:", "\ufeffschema:", "1:1", "a byte order mark"),
        ("demand:\n", "demand: [1]\nx:\n", "11:1", "demand"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, where: str, message: str
) -> None:
    path = full(tmp_path)
    assert old in FULL
    written(tmp_path, FULL.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_workload(path)
    assert caught.value.message.startswith(f"{path}:{where}"), caught.value.message
    assert message in caught.value.message


@pytest.mark.parametrize("region", ["AT", "at", "EEA", "XK", "westeurope"])
def test_a_country_without_a_region_of_the_catalogue_is_one(tmp_path: Path, region: str) -> None:
    path = full(tmp_path)
    written(tmp_path, FULL.replace("[EU, eu-north-1]", f"[EU, {region}]", 1))
    assert load_workload(path).workload.regions == ("EU", region)


def test_a_missing_site_file_is_told_with_its_place(tmp_path: Path) -> None:
    path = full(tmp_path)
    (tmp_path / "box.yaml").unlink()
    with pytest.raises(PlacerError, match=r"w\.yaml:29:10: .*box\.yaml: no such file") as caught:
        load_workload(path)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("key", ["latency.p99.9", "demand.rate", "data.class", "budget"])
def test_a_figure_of_any_part_can_be_marked_as_derived(tmp_path: Path, key: str) -> None:
    path = full(tmp_path)
    written(tmp_path, f"{FULL}estimated: {{{key}: so}}\n")
    assert load_workload(path).document.data["estimated"] == {key: "so"}


@pytest.mark.parametrize("key", ["latency.p99", "demand.rat", "demand.data_class", "budgets"])
def test_a_derivation_of_what_is_not_stated_is_refused(tmp_path: Path, key: str) -> None:
    path = full(tmp_path)
    written(tmp_path, f"{FULL}estimated: {{{key}: so}}\n")
    with pytest.raises(UsageError, match=f"estimated names '{key}', which this file does not"):
        load_workload(path)


def test_an_unknown_workload_names_the_list() -> None:
    with pytest.raises(UsageError, match="unknown workload 'nowhere'") as caught:
        load_workload("nowhere")
    assert "placer catalog list workloads" in str(caught.value.hint)


def test_the_schema_takes_what_placer_takes() -> None:
    schema = workload_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(json.loads(json.dumps(schema)))
    validator.validate(yaml.safe_load(FULL))
    validator.validate({"schema": "placer/workload/v1", "name": "x"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  rate: 5/s", "  rat: 5/s"),
        ("rate: 5/s", "rate: 5"),
        ("p99.9: 20 ms", "p99.9: 20"),
        ("p50: 10 ms", "q50: 10 ms"),
        ("80 KiB", "80"),
        ("poisson", "poison"),
        ("devices: 20", "devices: 0"),
        ("hours_per_day: 12", "hours_per_day: 25"),
        ("spinning: false", "spinning: 0"),
        ("workload/v1", "workload/v2"),
        ("name: line\n", ""),
    ],
)
def test_the_schema_refuses_what_placer_refuses(old: str, new: str) -> None:
    validator = Draft202012Validator(workload_schema())
    assert not validator.is_valid(yaml.safe_load(FULL.replace(old, new, 1)))


def test_every_key_of_the_schema_is_explained_or_speaks_for_itself() -> None:
    schema = workload_schema()
    assert schema["additionalProperties"] is False
    for name, part in schema["$defs"].items():
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, name


@pytest.mark.parametrize(
    ("value", "words"),
    [("1", None), ('"1"', None), ("FP16", None), ("true", "in quotes"), ("1.50", "in quotes")],
)
def test_options_of_execution_providers_are_text_or_whole_numbers(
    tmp_path: Path, value: str, words: str | None
) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        "schema: placer/workload/v1\nname: w\nmeasuring:\n"
        f"  options: {{openvino: {{precision: {value}}}}}\n"
    )
    if words is None:
        assert load_workload(str(file)).ep_options == (
            f"openvino.precision={value.strip(chr(34))}",
        )
        return
    with pytest.raises(PlacerError) as raised:
        load_workload(str(file))
    assert words in f"{raised.value.message} {raised.value.hint}"
