"""Every option that describes the question changes the answer as it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from placer.files.evidence import to_statement
from placer.onnx_files.reader import read_model
from placer.profiling.machine import describe_machine
from tests import builders
from tests.cli.conftest import Run

SITE = "aws-g4dn.xlarge"
LINE = (
    "name: line\ntitle: a measured line\nrtt: {p50: 10 ms, p99: 12 ms, p99.9: 14 ms}\n"
    "uplink: 100 Mbit/s\ndownlink: 100 Mbit/s\nloss: 0 %\ndata_price: 1 USD/GB\n"
    "basis: measured\nsource: test\n"
)
DEVICE = "name: box\ntitle: Box\nclass: cpu\nhere: true\nmemory: {}\nprice: 200 USD\npower: 10 W\n"

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(run: Run, small_model: str, tmp_path: Path) -> Ask:
    """Ask with recorded evidence: 20 ms on the device, 2 ms in the cloud, a line of 10 ms."""
    summary = read_model(small_model)
    shapes = tuple((spec.name, spec.shape) for spec in summary.inputs)
    for name, median_s, site, ep in (("here", 0.02, None, "cpu"), ("cloud", 0.002, SITE, "cuda")):
        measured = builders.measurement(
            median_s,
            subjects=summary.subjects,
            input_shapes=shapes,
            machine=describe_machine(),
            ep=ep,
        )
        (tmp_path / f"{name}.json").write_bytes(to_statement(measured, tool="test", site=site))
    (tmp_path / "line.yaml").write_text(LINE)
    (tmp_path / "box.yaml").write_text(DEVICE.format("8 GB"))
    (tmp_path / "tiny.yaml").write_text(DEVICE.format("32 MB"))

    def call(*arguments: str, code: int | None = None, **changes: str) -> dict[str, Any]:
        settings = {
            "--network": str(tmp_path / "line.yaml"),
            "--cloud": f"{SITE}@us-east-1",
            "--device": str(tmp_path / "box.yaml"),
            "--as-of": "2026-11-23",
            **{f"--{name.replace('_', '-')}": value for name, value in changes.items()},
        }
        flat = [part for pair in settings.items() for part in pair]
        evidence = ["--evidence", str(tmp_path / "here.json")]
        evidence += ["--evidence", str(tmp_path / "cloud.json")]
        result = run(
            "recommend", small_model, "--no-measure", "--format", "json", *flat, *evidence,
            *(argument.replace("{tmp}", str(tmp_path)) for argument in arguments),
        )  # fmt: skip
        document: dict[str, Any] = json.loads(result.out)
        expected = {True: 0, False: 1, None: 5}[document["decision"]["feasible"]]
        assert result.code == expected
        assert code is None or result.code == code
        return document

    return call


def _chosen(document: dict[str, Any]) -> str:
    placement: str = document["decision"]["placement"]
    return placement


def _one(document: dict[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in document["candidates"] if one["id"].startswith(prefix)
    )
    return found


def test_limit_decides_between_met_and_violated(ask: Ask) -> None:
    assert _one(ask("--sla", "50ms"), "edge")["verdict"] == "met"
    assert _one(ask("--sla", "10ms"), "edge")["verdict"] == "violated"
    assert _chosen(ask("--sla", "10ms", code=1)) == "none"
    assert _chosen(ask("--sla", "18ms", code=0)) == "cloud"


def test_percentile_decides(ask: Ask) -> None:
    assert _one(ask("--sla", "p50=22.5ms"), "edge")["verdict"] == "met"
    assert _one(ask("--sla", "p99=22.5ms"), "edge")["verdict"] == "unproven"
    assert _one(ask("--sla", "p50=16ms"), "edge")["verdict"] == "violated"


def test_unmeasured_tail_of_the_network_is_unproven(ask: Ask) -> None:
    document = ask("--sla", "p99.95=50ms")
    assert _one(document, "cloud")["verdict"] == "unproven"


def test_privacy_region_and_offline(ask: Ask) -> None:
    assert _chosen(ask("--sla", "50ms", "--privacy", "public")) == "cloud"
    assert _chosen(ask("--sla", "50ms", "--privacy", "special", "--region", "US")) == "edge"
    assert _chosen(ask("--sla", "50ms", "--region", "US")) == "cloud"
    assert _chosen(ask("--sla", "50ms", "--region", "EU")) == "edge"
    offline = ask("--sla", "50ms", "--must-work-offline")
    assert _one(offline, "cloud")["feasible"] is False
    assert _one(offline, "fallback:prefer_cloud")["feasible"] is True


def test_wire_size_moves_bytes_time_and_money(ask: Ask) -> None:
    small = _one(ask("--sla", "50ms", "--rate", "1/s", "--wire-input", "1KB"), "cloud")
    large = _one(ask("--sla", "50ms", "--rate", "1/s", "--wire-input", "1MB"), "cloud")
    assert large["bytes_up"] == 1000 * small["bytes_up"]
    assert large["latency_s"]["p50"] > small["latency_s"]["p50"] + 0.07
    data = 730 * 3600 * (1_000_000 - 1000) * 1e-9
    assert large["usd_per_month"] - small["usd_per_month"] == pytest.approx(data)


def test_rate_fleet_and_budget(ask: Ask) -> None:
    slow = ask("--sla", "100ms", "--rate", "1/s", "--budget", "100USD/month")
    assert _one(slow, "cloud")["feasible"] is False
    assert _one(slow, "edge")["feasible"] is True
    assert _one(slow, "edge")["usd_per_month"] == pytest.approx(200 / 36 + 7.3 * 0.1648)
    fast = ask("--sla", "100ms", "--rate", "100/s")
    assert _one(fast, "edge")["feasible"] is False
    many = ask("--sla", "100ms", "--rate", "10/s", "--fleet", "200")
    one = ask("--sla", "100ms", "--rate", "10/s")
    assert _one(many, "cloud")["instances"] > _one(one, "cloud")["instances"] == 1
    assert _one(many, "edge")["usd_per_month"] == 200 * _one(one, "edge")["usd_per_month"]
    ratio = (
        _one(many, "cloud")["uplink_bytes_per_month"] / _one(one, "cloud")["uplink_bytes_per_month"]
    )
    assert ratio == pytest.approx(200)


def test_arrival_process_adds_waiting(ask: Ask) -> None:
    periodic = _one(ask("--sla", "40ms", "--rate", "25/s"), "edge")
    poisson = _one(ask("--sla", "40ms", "--rate", "25/s", "--arrival", "poisson"), "edge")
    assert periodic["verdict"] == "met"
    assert poisson["verdict"] == "violated"
    assert {stage["kind"] for stage in poisson["stages"]} == {"queue", "compute"}


def test_objective_ranks(ask: Ask) -> None:
    arguments = ("--sla", "100ms", "--rate", "1/s")
    assert _chosen(ask(*arguments)) == "edge"
    assert _chosen(ask(*arguments, "--objective", "cost")) == "edge"
    assert _chosen(ask(*arguments, "--objective", "latency")) == "cloud"
    assert _chosen(ask(*arguments, "--objective", "energy")) == "edge"
    assert _chosen(ask(*arguments, "--objective", "margin")) == "cloud"


def test_a_price_that_cannot_decide_may_be_missing(ask: Ask, tmp_path: Path) -> None:
    unpriced = tmp_path / "unpriced.yaml"
    unpriced.write_text(LINE.replace("data_price: 1 USD/GB\n", ""))
    document = ask("--sla", "100ms", "--rate", "1/s", network=str(unpriced))
    assert _one(document, "cloud")["usd_per_month"] is None
    assert _chosen(document) == "edge"  # what is known of the cloud costs more by itself
    assert not any(found["rule"] == "PLC502" for found in document["findings"])


def test_a_link_that_is_asked_for_too_much_has_no_latency(ask: Ask) -> None:
    carried = _one(ask("--sla", "2s", "--rate", "1/s", "--wire-input", "10MB"), "cloud")
    beyond = _one(ask("--sla", "2s", "--rate", "10/s", "--wire-input", "10MB"), "cloud")
    assert carried["latency_s"] is not None
    assert beyond["latency_s"] is None
    assert beyond["targets"][0]["low_s"] > 0.5
    assert beyond["targets"][0]["value_s"] is None


def test_an_unmeasured_device_is_what_to_measure(run: Run, small_model: str) -> None:
    result = run(
        "recommend", small_model, "--sla", "20ms", "--no-measure", "--format", "json"
    )  # fmt: skip
    found = json.loads(result.out)["next_measurement"]
    assert found["what"] == "the model on this device"
    assert "--no-measure" not in found["command"]


def test_device_memory_decides(ask: Ask, tmp_path: Path) -> None:
    document = ask("--sla", "50ms", "--privacy", "public", device=str(tmp_path / "tiny.yaml"))
    assert _one(document, "edge")["feasible"] is False
    assert any(found["rule"] == "PLC401" for found in _one(document, "edge")["findings"])


def test_network_decides(ask: Ask) -> None:
    near = _one(ask("--sla", "p50=40ms"), "cloud")
    far = _one(ask("--sla", "p50=40ms", network="lte_us"), "cloud")
    assert near["verdict"] == "met"
    assert far["verdict"] == "violated"


def test_cloud_offers_are_the_candidates(ask: Ask) -> None:
    document = ask("--sla", "50ms", "--cloud", "aws-g6.xlarge")
    ids = {one["id"] for one in document["candidates"] if one["placement"] == "cloud"}
    assert ids == {
        f"cloud:{SITE}@us-east-1",
        "cloud:aws-g6.xlarge@us-east-1",
        "cloud:aws-g6.xlarge@eu-north-1",
    }


def test_evidence_ages(ask: Ask) -> None:
    fresh = _one(ask("--sla", "23.5ms"), "edge")["targets"][0]
    year_later = _one(ask("--sla", "23.5ms", as_of="2027-11-23"), "edge")["targets"][0]
    assert fresh["high_s"] < year_later["high_s"]
    assert year_later["verdict"] == "unproven"


def test_evidence_taken_back_to_back_is_doubted_at_a_low_rate(ask: Ask) -> None:
    doubts = [found["message"] for found in _one(ask("--rate", "1/s"), "edge")["findings"]]
    assert any("back to back" in message for message in doubts)
    quick = [found["message"] for found in _one(ask("--rate", "40/s"), "edge")["findings"]]
    assert not any("back to back" in message for message in quick)


def test_evidence_of_other_shapes_is_left_aside(ask: Ask, run: Run, tmp_path: Path) -> None:
    statement = json.loads((tmp_path / "cloud.json").read_text())
    statement["predicate"]["workload"]["inputs"][0]["shape"] = [9, 9]
    (tmp_path / "cloud.json").write_text(json.dumps(statement))
    document = ask("--sla", "50ms")
    assert _one(document, "cloud")["basis"] != "measured"
    assert any("other input shapes" in found["message"] for found in document["findings"])


def test_two_measurements_of_one_site_are_refused(
    run: Run, ask: Ask, small_model: str, tmp_path: Path
) -> None:
    (tmp_path / "again.json").write_bytes((tmp_path / "cloud.json").read_bytes())
    result = run(
        "recommend", small_model, "--no-measure", "--evidence", str(tmp_path / "cloud.json"),
        "--evidence", str(tmp_path / "again.json"),
    )  # fmt: skip
    assert result.code == 2
    assert "both evidence of aws-g4dn.xlarge" in result.err


def test_evidence_names_its_site_and_its_provider(ask: Ask) -> None:
    cloud = _one(ask("--sla", "50ms"), "cloud")
    assert cloud["sites"][0]["ep"] == "cuda"
    assert cloud["sites"][0]["nodes_by_ep"] == {"cuda": 66}


def test_input_is_not_overwritten(run: Run, small_model: str, tmp_path: Path) -> None:
    before = Path(small_model).read_bytes()
    for arguments in (("--save", small_model), ("--output", f"json={small_model}")):
        result = run("recommend", small_model, "--no-measure", *arguments)
        assert result.code == 2
        assert "is an input" in result.err
    twice = f"json={tmp_path}/a.json"
    result = run("recommend", small_model, "--output", twice, "--output", twice)
    assert result.code == 2
    assert Path(small_model).read_bytes() == before


def test_advice_repeats_the_question(run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["placer", "recommend", "m x.onnx", "--rate", "1/s"])
    document = ask("--sla", "p99.95=50ms", "--privacy", "public", "--must-work-offline")
    command = document["next_measurement"]["command"]
    assert command.startswith("placer recommend 'm x.onnx' --rate 1/s")


def test_answers_are_byte_identical(run: Run, ask: Ask) -> None:
    assert json.dumps(ask("--sla", "50ms")) == json.dumps(ask("--sla", "50ms"))


def test_spinning_and_threads_are_recorded(run: Run, small_model: str) -> None:
    for flag, words in (("--spinning", "spinning"), ("--no-spinning", "no spinning")):
        document = json.loads(
            run(
                "recommend", small_model, "--sla", "1s", "--threads", "2", flag,
                "--format", "json", "--time-limit", "3s",
            ).out
        )  # fmt: skip
        assert _one(document, "edge")["sites"][0]["options"] == f"2 threads, {words}"


def test_time_limit_ends_the_measuring(run: Run, small_model: str) -> None:
    document = json.loads(
        run(
            "recommend", small_model, "--sla", "1s", "--rate", "10/s", "--threads", "1",
            "--format", "json", "--time-limit", "1s",
        ).out
    )  # fmt: skip
    edge = _one(document, "edge")
    assert edge["verdict"] == "unproven"
    assert "more" in edge["targets"][0]["reason"]


def test_rpi_from_the_catalogue_is_estimated(run: Run, small_model: str) -> None:
    document = json.loads(run("recommend", small_model, "--device", "rpi5", "--format", "json").out)
    assert _one(document, "edge")["basis"] == "catalogue"


def test_option_given_twice_is_refused(run: Run, small_model: str) -> None:
    result = run("recommend", small_model, "--network", "fiber_100", "--network=lte_us")
    assert result.code == 2
    assert "--network is given twice" in result.err
    contrary = run("recommend", small_model, "--spinning", "--no-spinning")
    assert contrary.code == 2
    assert "--spinning and --no-spinning are both given" in contrary.err


def test_repeatable_options_may_be_given_twice(run: Run, small_model: str) -> None:
    result = run(
        "recommend", small_model, "--no-measure", "--sla", "p50=1s", "--sla", "p99=2s",
        "--network", "fiber_100",
    )  # fmt: skip
    assert "given twice" not in result.err


def test_region_of_an_entry_is_named_in_the_hint(run: Run) -> None:
    result = run("catalog", "show", "aws-g6.xlarge@eu-north-1")
    assert result.code == 2
    assert "`placer catalog show aws-g6.xlarge`" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--threads", "100000"), "no number of threads"),
        (("--sla", "9e99s"), "no latency that anything has"),
        (("--sla", "1e-30ms"), "no latency that anything has"),
        (("--rate", "1/day", "--budget", "1e308USD/month"), "is too large"),
    ],
)
def test_figures_out_of_range_are_refused(
    run: Run, small_model: str, arguments: tuple[str, ...], message: str
) -> None:
    result = run("recommend", small_model, *arguments)
    assert result.code == 2
    assert message in result.err


WORKLOAD = """\
schema: placer/workload/v1
name: asked
model:
  path: {model}
latency:
  p99: 50 ms
demand:
  rate: 1/s
  hours_per_day: 12
data:
  class: public
must_work_offline: true
device:
  power: 15 W
"""


def test_a_workload_file_asks_and_options_override_it(
    run: Run, ask: Ask, small_model: str, tmp_path: Path
) -> None:
    """The file alone: offline keeps the device. Each option beats the line of the file."""
    file = tmp_path / "w.yaml"
    file.write_text(WORKLOAD.format(model=small_model))
    given = ("--workload", str(file))
    alone = ask(*given)
    assert [one["limit_s"] for one in alone["targets"]] == [0.05]
    assert _one(alone, "cloud")["feasible"] is False
    online = ask(*given, "--no-must-work-offline")
    assert _one(online, "cloud")["feasible"] is True
    tight = ask(*given, "--sla", "10ms")
    assert [one["limit_s"] for one in tight["targets"]] == [0.01]
    twice = ask(*given, "--rate", "2/s", "--no-must-work-offline")
    sent = [_one(one, "cloud")["uplink_bytes_per_month"] for one in (online, twice)]
    assert sent[1] == pytest.approx(2 * sent[0])


def test_hours_power_and_retention_of_a_workload_file_count(ask: Ask, tmp_path: Path) -> None:
    def asked(*lines: str) -> dict[str, Any]:
        file = tmp_path / "w.yaml"
        head = "schema: placer/workload/v1\nname: asked\nlatency: {p99: 50 ms}\n"
        file.write_text(head + "".join(f"{line}\n" for line in lines))
        return ask("--workload", str(file))

    whole = asked("demand: {rate: 1/s}")
    half = asked("demand: {rate: 1/s, hours_per_day: 12}")
    costs = [_one(one, "cloud")["usd_per_month"] for one in (whole, half)]
    assert costs[1] == pytest.approx(costs[0] / 2)
    assert _one(asked("device: {power: 15 W}"), "edge")["feasible"] is True
    assert _one(asked("device: {power: 5 W}"), "edge")["feasible"] is False
    assert _one(asked("device: {memory: 1 MB}"), "edge")["feasible"] is False
    assert _one(asked("data: {retention: 1 h}"), "cloud")["feasible"] is None
    assert _one(asked("data: {may_leave: output}"), "cloud")["feasible"] is False
    assert _one(asked("throughput: 500/s"), "edge")["feasible"] is False
    assert _one(asked("availability: 99%"), "edge")["feasible"] is None


def test_what_needs_a_rate_is_told_where_it_stands(
    run: Run, small_model: str, tmp_path: Path
) -> None:
    file = tmp_path / "w.yaml"
    file.write_text("schema: placer/workload/v1\nname: x\ndemand:\n  hours_per_day: 8\n")
    result = run("recommend", small_model, "--workload", str(file), "--no-measure")
    assert result.code == 2
    assert f"{file}:4:3: hours_per_day needs the rate of requests" in result.err
    with_rate = ("--workload", str(file), "--no-measure", "--rate", "1/s")
    assert run("recommend", small_model, *with_rate).code != 2


def test_a_model_must_be_named_somewhere(run: Run, tmp_path: Path) -> None:
    assert run("recommend").code == 2
    file = tmp_path / "w.yaml"
    file.write_text("schema: placer/workload/v1\nname: x\n")
    result = run("recommend", "--workload", str(file))
    assert result.code == 2
    assert "no model is named" in result.err
