"""``placer split --costs``: the file form to the letter, and what is wrong with a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from placer.core.partition.optimal import optimal_plan, unsplit_plans
from placer.core.partition.problem import Objective
from placer.files.costs import costs_schema
from placer.reports.split import to_text
from tests.cli.conftest import Run
from tests.splits import from_file_form

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "golden" / "splits"
SAMPLE = ROOT / "data" / "split_costs.json"

Costs = dict[str, Any]


def sample(**changes: Any) -> Costs:
    costs: Costs = json.loads(SAMPLE.read_text())
    return {**costs, **changes}


def with_prices() -> Costs:
    prices = {
        "usd_per_s": [0.0, 1e-4, 4e-4],
        "usd_per_byte_up": [0.0, 1e-10],
        "usd_per_byte_down": [0.0, 9e-11],
    }
    power = {"active_w": 6.0, "idle_w": 2.0, "send_w": 3.0, "receive_w": 2.5}
    return sample(prices=prices, power=power)


def slow() -> Costs:
    links = sample()["links"]
    links[0]["uplink_bytes_per_s"] = 50_000
    return sample(links=links)


def direct() -> Costs:
    ways = [{"from": 0, "to": 2, "rtt_s": 0.01, "uplink_bytes_per_s": 12e6}]
    return sample(direct=[{**ways[0], "downlink_bytes_per_s": 12e6}])


SAMPLES: dict[str, Callable[[], Costs]] = {
    "latency": sample,
    "money": lambda: {**with_prices(), "objective": "money", "latency_limit_s": 0.5},
    "energy": lambda: {**with_prices(), "objective": "energy"},
    "throughput": lambda: sample(objective="throughput"),
    "not_split": slow,
    "direct": direct,
}
SUFFIXES = {"text": "txt", "json": "json"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(costs: Costs) -> None:
    Path("costs.json").write_text(json.dumps(costs))


@pytest.mark.parametrize("format_", SUFFIXES)
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.usefixtures("here")
def test_reports_read_as_agreed(name: str, format_: str, run: Run) -> None:
    write(SAMPLES[name]())
    done = run("split", "--costs", "costs.json", "--format", format_)
    assert (done.code, done.err) == (0, "")
    path = GOLDEN / f"{name}.{SUFFIXES[format_]}"
    if os.environ.get("PLACER_GOLDEN") == "1":
        assert not os.environ.get("CI"), "golden files are not rewritten in CI"
        path.write_text(done.out, encoding="utf-8")
    assert done.out == path.read_text(encoding="utf-8")


BOUND: list[tuple[str, Costs, str]] = [
    ("tensors", {"keep_up_to_tier": 0}, "image may not pass camera"),
    ("nodes", {"tier": 0}, "conv1 is pinned to camera"),
    ("nodes", {"time_s": [0.05, None, None]}, "conv1 cannot run there"),
]


@pytest.mark.parametrize(("list_", "change", "why"), BOUND)
@pytest.mark.usefixtures("here")
def test_what_must_run_on_the_device_makes_it_a_split(
    list_: str, change: Costs, why: str, run: Run
) -> None:
    costs = sample()
    number = 1 if list_ == "nodes" else 0
    costs[list_][number].update(change)
    costs["nodes"][1]["time_s"][0] = 0.05  # the rest is quicker in the cloud
    write(costs)
    done = run("split", "--costs", "costs.json")
    assert done.code == 0, done.err
    assert done.out.startswith("Split over camera, ")
    assert f"all on cloud: not possible ({why})" in done.out
    asked = json.loads(run("split", "--costs", "costs.json", "--format", "json").out)
    assert asked["unsplit"][2] is None
    assert asked["unsplit"][0] is not None


@pytest.mark.usefixtures("here")
def test_a_tensor_without_consumers_that_is_kept_makes_it_a_split(run: Run) -> None:
    costs = sample()
    costs["nodes"].append({"name": "free", "time_s": [0, 0, 0]})
    costs["tensors"].append(
        {"name": "mark", "producer": "free", "consumers": [], "bytes": 0, "keep_up_to_tier": 0}
    )
    write(costs)
    told = run("split", "--costs", "costs.json").out
    assert "all on cloud: not possible (mark may not pass camera)" in told
    asked = json.loads(run("split", "--costs", "costs.json", "--format", "json").out)
    assert asked["unsplit"][2] is None


@pytest.mark.usefixtures("here")
def test_a_place_beyond_the_limit_has_no_figure(run: Run) -> None:
    write({**with_prices(), "objective": "money", "latency_limit_s": 0.5})
    told = run("split", "--costs", "costs.json").out
    assert "all on camera: too slow (986 ms)" in told
    asked = json.loads(run("split", "--costs", "costs.json", "--format", "json").out)
    assert asked["unsplit"][0] is None


def test_no_golden_file_is_left_behind() -> None:
    wanted = {f"{name}.{suffix}" for name in SAMPLES for suffix in SUFFIXES.values()}
    assert {path.name for path in GOLDEN.iterdir()} == wanted


@pytest.mark.parametrize("name", SAMPLES)
def test_the_schema_describes_the_files(name: str) -> None:
    jsonschema.validate(SAMPLES[name](), costs_schema())


@pytest.mark.usefixtures("here")
def test_the_answer_has_the_keys_of_the_form(run: Run) -> None:
    write(sample())
    answer = json.loads(run("split", "--costs", "costs.json", "--format", "json").out)
    assert answer["assignment"] == {"input": 0, "conv1": 0, "pool1": 0, "conv2": 2, "head": 2}
    assert answer["cut"] == [["p1"], ["p1"]]
    assert answer["bytes"] == [331776, 331776]
    assert answer["optimal"] is True
    compute_s = 0.0633 + 0.0027 + 0.0145 + 0.067
    first_s = 0.002 + 331776 / 6250000 + 2000 / 6250000
    second_s = min(0.02 + 8e-7 * 331776, 0.08 + 2e-7 * 331776) + 2000 / 5000000
    assert answer["value_s"] == pytest.approx(compute_s + first_s + second_s, rel=1e-12)


def changed(path: str, value: object) -> Costs:
    """Return the sample with one key of it set; None drops it."""
    costs = sample()
    at: Any = costs
    *parents, last = path.split("/")
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at[part]
    if isinstance(at, list):
        at[int(last)] = value
    elif value is None:
        del at[last]
    else:
        at[last] = value
    return costs


WRONG: list[tuple[str, object, str]] = [
    ("outputss", [], "outputss: unknown key (did you mean 'outputs'?)"),
    ("nodes/1/times", 1, "nodes[1].times: unknown key"),
    ("links/0/rtt", 1, "links[0].rtt: unknown key (did you mean 'rtt_s'?)"),
    ("tiers", None, "tiers: the key is missing"),
    ("nodes", [], "nodes: there is none"),
    ("nodes/1/name", "conv2", "nodes[3]: 'conv2' stands twice (first in nodes[1])"),
    ("tensors/0/name", "c1", "tensors[1]: 'c1' stands twice (first in tensors[0])"),
    ("tiers/1", "cloud", "tiers[2]: 'cloud' stands twice (first in tiers[1])"),
    ("outputs", ["boxes", "boxes"], "outputs[1]: 'boxes' stands twice"),
    ("outputs", ["box"], "outputs[0]: there is no tensor 'box' (did you mean 'boxes'?)"),
    ("tensors/4/producer", "haed", "tensors[4].producer: there is no node 'haed' (did you mean"),
    ("tensors/0/consumers", ["conv"], "tensors[0].consumers[0]: there is no node 'conv'"),
    ("tensors/4/consumers", ["conv1"], "tensors: the nodes form a cycle: 'conv1' -> 'pool1' ->"),
    ("tensors/4/consumers", ["head"], "tensors: the nodes form a cycle: 'head' -> 'head'"),
    ("nodes/1/time_s/1", -0.1, "nodes[1].time_s[1]: -0.1 is negative"),
    ("nodes/1/time_s/1", "20ms", 'nodes[1].time_s[1]: should be a valid number, found "20ms"'),
    ("nodes/1/time_s/1", True, "nodes[1].time_s[1]: should be a valid number, found true"),
    ("nodes/1/time_s", [1.0, 2.0], "nodes[1].time_s: 'conv1' has 2 times for 3 tiers"),
    ("nodes/1/time_s", [None] * 3, "nodes[1].time_s: 'conv1' can run nowhere"),
    ("nodes/1/tier", 3, "nodes[1].tier: there is no tier 3"),
    ("nodes/1/tier", 0.5, "nodes[1].tier: should be a valid integer"),
    ("tensors/1/bytes", -1, "tensors[1].bytes: -1 is negative"),
    ("tensors/1/keep_up_to_tier", -1, "tensors[1].keep_up_to_tier: there is no tier -1"),
    ("links", [], "links: 0 links between 3 tiers"),
    ("links/0/rtt_s", None, "links[0].rtt_s: the key is missing"),
    ("links/0/rtt_s", -1, "links[0].rtt_s: -1 is negative"),
    ("links/0/uplink_bytes_per_s", 0, "links[0].uplink_bytes_per_s: 0.0 is no rate"),
    ("links/0/uplink_bytes_per_s", None, "links[0].uplink_bytes_per_s: the key is missing"),
    ("links/0/downlink_bytes_per_s", None, "links[0]: no way back for the outputs"),
    ("links/0/pieces", [[0, 1]], "links[0]: both uplink_bytes_per_s and pieces are given"),
    ("links/1/pieces", [], "links[1].pieces: there is none"),
    ("links/1/pieces", [[0.1]], "links[1].pieces[0][1]: the key is missing"),
    ("links/1/pieces", [[0.1, -1]], "links[1].pieces[0][1]: -1 is negative"),
    ("links/1/pieces", [[0, 0]] * 17, "links[1].pieces: 17 pieces"),
    ("objective", "speed", "objective: 'speed' is unknown"),
    ("objective", "monye", "objective: 'monye' is unknown (did you mean 'money'?)"),
    ("objective", "money", "prices.usd_per_s: the price of a second on 'camera' is not known"),
    ("objective", "energy", "power: the objective energy needs it"),
    ("latency_limit_s", 1, "latency_limit_s: the objective latency takes no limit"),
    ("prices", {"usd_per_s": [1], "usd_per_byte_up": [], "usd_per_byte_down": []}, "prices.usd_"),
    ("direct", [{"from": 0, "to": 1, "rtt_s": 0, "uplink_bytes_per_s": 1}], "direct[0]: from tier"),
    ("tiers", ["a"] * 9, "links: 2 links between 9 tiers"),
    ("tiers/0", "", "tiers[0]: string should have at least 1 character"),
]


@pytest.mark.parametrize(("path", "value", "words"), WRONG, ids=[row[2][:60] for row in WRONG])
@pytest.mark.usefixtures("here")
def test_what_is_wrong_in_a_file_is_named_with_its_key(
    path: str, value: object, words: str, run: Run
) -> None:
    write(changed(path, value))
    done = run("split", "--costs", "costs.json")
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith(f"error: costs.json: {words}")
    assert "\nhint: " in done.err


@pytest.mark.usefixtures("here")
def test_no_tiers_are_told_as_such(run: Run) -> None:
    write({**sample(), "tiers": [], "links": []})
    done = run("split", "--costs", "costs.json")
    assert done.code == 2
    assert done.err == "error: costs.json: tiers: 0 tiers\nhint: name 1 to 8\n"


def test_a_gap_of_nearly_all_is_a_hundred_percent() -> None:
    problem = from_file_form(sample()).problem
    plan = optimal_plan(problem, objective=Objective.LATENCY)
    unproven = replace(plan, bound=plan.value * 1e-6, is_optimal=False)
    told = to_text(problem, unproven, unsplit_plans(problem, Objective.LATENCY))
    assert "the best may be up to 100 % better" in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "costs.json:1:1: not JSON"),
        ("{", "costs.json:1:2: not JSON"),
        ("[]", "costs.json: should be an object"),
        ('{"tiers": ["a"], "tiers": ["b"]}', "costs.json: the key 'tiers' stands twice"),
        ('{"tiers": NaN}', "costs.json: NaN is not a number in JSON"),
        ('{"tiers": [-Infinity]}', "costs.json: -Infinity is not a number in JSON"),
        ('{"tiers": [1' + "0" * 5000 + "]}", "costs.json: a number has too many digits"),
        ("[" * 100_000, "costs.json: nested too deeply"),
        ('{"a\\u001b[2J": 1}', "costs.json: "),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.usefixtures("here")
def test_what_is_no_json_is_told(text: str, words: str, run: Run) -> None:
    Path("costs.json").write_text(text)
    done = run("split", "--costs", "costs.json")
    assert done.code == 2
    assert done.err.startswith(f"error: {words}")
    assert "\x1b" not in done.err


@pytest.mark.usefixtures("here")
def test_a_number_beyond_floats_is_refused(run: Run) -> None:
    Path("costs.json").write_text(SAMPLE.read_text().replace("995328", "1e999"))
    done = run("split", "--costs", "costs.json")
    assert done.code == 2
    assert "tensors[0].bytes: inf is no finite figure" in done.err


@pytest.mark.usefixtures("here")
def test_constraints_that_clash_end_with_1(run: Run) -> None:
    costs = sample()
    costs["nodes"][3]["tier"] = 2
    costs["nodes"][4]["tier"] = 0
    write(costs)
    done = run("split", "--costs", "costs.json", "--format", "json")
    assert (done.code, done.out) == (1, "")
    assert (
        "error: costs.json: nodes[4]: 'head' is pinned to tier 0, but it comes after 'conv2' "
        "(nodes[3]), which is pinned to tier 2"
    ) in done.err


@pytest.mark.usefixtures("here")
def test_a_missing_file_ends_with_3_and_no_file_with_2(run: Run) -> None:
    assert run("split", "--costs", "none.json").code == 3
    assert run("split", "--costs", ".").code == 3
    assert run("split").code == 2


@pytest.mark.usefixtures("here")
def test_a_report_is_not_written_over_the_costs(run: Run) -> None:
    write(sample())
    done = run("split", "--costs", "costs.json", "--output", "json=costs.json")
    assert done.code == 2
    assert "would be overwritten" in done.err


@pytest.mark.usefixtures("here")
def test_one_tier_needs_no_link(run: Run) -> None:
    graph = {"nodes": [{"name": "n", "time_s": [2]}], "tensors": []}
    write({"tiers": ["device"], "links": [], **graph})
    answer = json.loads(run("split", "--costs", "costs.json", "--format", "json").out)
    assert (answer["value_s"], answer["cut"], answer["bytes"]) == (2, [], [])
