"""``placer recommend --cut``: real models where a split wins, where not, where there is none."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import helper

from placer.onnx_files.calibration_models import Net
from placer.onnx_files.inputs import write_arrays
from placer.reports.json import from_json, recommendation_schema, to_json
from tests import models, split_models
from tests.cli.conftest import Run

NETWORK = """\
name: narrow
rtt: {p50: 1 ms, p99: 1.2 ms}
uplink: 20 Mbit/s
downlink: 50 Mbit/s
loss: 0 %
measured_to: endpoint
basis: measured
source: a test
"""
CLOUD = """\
name: near-server
provider: own
instance: server
class: cpu
ep: cpu
vcpus: 16
memory: 32 GiB
offers:
  - region: here
    jurisdiction: US
    price: 0.2 USD/h
    egress: 0 USD/GB
    source: a test
    as_of: 2026-11-23
compute:
  flops: 2 TFLOP/s
  bandwidth: 100 GB/s
  per_operator: 0 us
  level: E5
  runtime: ONNX Runtime
  dtype: float32
  source: a test
basis: catalogue
source: a test
"""


def funnel() -> Any:
    """A large picture made small at once, then much work: the place to cut is after the pool."""
    net = Net(3, 256, 256)
    value = net.pool(net.conv(net.x, 8, stride=4), 3, 4)
    for _ in range(12):
        value = net.conv(value, 256)
    return net.model(net.head(value, 10))


def through_bfloat16(model: Any) -> Any:
    """The same with the tensor behind the pool, the best place to cut, in bfloat16 for a while."""
    nodes = list(model.graph.node)
    place = next(at for at, node in enumerate(nodes) if "Pool" in node.op_type)
    pooled = nodes[place].output[0]
    for node in nodes[place + 1 :]:
        node.input[:] = ["wide" if name == pooled else name for name in node.input]
    casts = [
        helper.make_node("Cast", [pooled], ["narrow"], to=onnx.TensorProto.BFLOAT16),
        helper.make_node("Cast", ["narrow"], ["wide"], to=onnx.TensorProto.FLOAT),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[: place + 1], *casts, *nodes[place + 1 :]])
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, a narrow line and a quick machine at its end."""
    folder = tmp_path_factory.mktemp("cut")
    (folder / "narrow.yaml").write_text(NETWORK)
    (folder / "server.yaml").write_text(CLOUD)
    for name, model in (
        ("funnel", funnel()),
        ("residuals", split_models.residuals()),
        ("control_flow", split_models.control_flow()),
        ("bfloat16", through_bfloat16(funnel())),
    ):
        onnx.save(model, str(folder / f"{name}.onnx"))
    return folder


def ask(folder: Path, name: str, *arguments: str) -> list[str]:
    return [
        "recommend", str(folder / f"{name}.onnx"), "--sla", "p50=5s", "--objective", "latency",
        "--network", str(folder / "narrow.yaml"), "--cloud", str(folder / "server.yaml"),
        *arguments,
    ]  # fmt: skip


QUICK = ("--threads", "1", "--ep", "cpu", "--time-limit", "2s")


def answer(run: Run, folder: Path, name: str, *arguments: str) -> dict[str, Any]:
    result = run(*ask(folder, name, *arguments), "--format", "json")
    document: dict[str, Any] = json.loads(result.out)
    jsonschema.validate(document, recommendation_schema())
    assert to_json(from_json(result.out)) == result.out
    return document


def splits(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in document["candidates"] if one["placement"] == "split"]


def test_a_split_wins_where_raw_input_may_not_leave(run_again: Run, folder: Path) -> None:
    document = answer(
        run_again,
        folder,
        "funnel",
        "--cut",
        "auto",
        "--privacy",
        "special",
        "--region",
        "US",
        *QUICK,
    )
    assert document["decision"]["placement"] == "split"
    assert document["decision"]["class"] == "hybrid"
    (found,) = splits(document)
    assert found["id"] == document["decision"]["candidate"]
    assert found["id"].startswith("split:cpu+near-server@here:")
    assert found["feasible"] is True
    assert found["leaves_device"] == "intermediate"
    assert found["cut"]["raw"] == []
    assert found["cut"]["bytes"] == found["bytes_up"] < 50_000  # the picture: 786 kB
    assert found["cut"]["difference_ratio"] < 1e-3
    assert found["cut"]["tail_ratio"] > 0.5
    assert [one["kind"] for one in found["stages"]] == ["compute", "transfer", "compute"]
    assert [one["basis"] for one in found["stages"]] == ["measured", "measured", "transferred"]
    assert "no raw input as far as the graph shows" in document["decision"]["reason"]
    forbidden = [one for one in document["candidates"] if one["placement"] == "cloud"]
    assert {one["feasible"] for one in forbidden} == {False}
    table = document["crossovers"]
    assert {one["parameter"] for one in table} == {"network.uplink", "network.rtt"}
    assert {one["placement"] for one in table} == {"edge", "split"}  # raw input stays
    for first, second in itertools.pairwise(table):
        if first["parameter"] == second["parameter"]:
            assert first["high"] == pytest.approx(second["low"])


def test_no_cut_is_sought_at_a_tensor_that_cannot_be_sent(run_again: Run, folder: Path) -> None:
    document = answer(run_again, folder, "bfloat16", "--cut", "auto", *QUICK)
    (found,) = splits(document)
    assert "narrow" not in found["cut"]["tensors"]
    assert found["cut"]["difference_ratio"] < 1e-3
    assert "PLC409" not in {one["rule"] for one in found["findings"]}


def test_do_not_split_comes_with_both_figures(run_again: Run, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    result = run_again(
        *ask(folder, "residuals", "--cut", "auto", *QUICK),
        "--output", "text", "--output", f"markdown={report}",
    )  # fmt: skip
    for text in (result.out, report.read_text()):
        words = " ".join(text.split())
        assert "do not split: the best split judged, split:cpu+near-server@here:" in words
        assert "Where the network decides what is quickest" in words


def test_a_named_cut_is_judged_as_it_is(run_again: Run, folder: Path) -> None:
    tensor = onnx.load(str(folder / "residuals.onnx")).graph.node[0].output[0]
    document = answer(run_again, folder, "residuals", "--cut", tensor, *QUICK)
    (found,) = splits(document)
    assert found["cut"]["tensors"] == [tensor]
    assert document["crossovers"]


def test_a_named_cut_toward_a_cloud_of_unknown_speed_is_unproven(
    run_again: Run, folder: Path, tmp_path: Path
) -> None:
    unknown = tmp_path / "unknown.yaml"
    before, _, after = CLOUD.partition("compute:")
    unknown.write_text(before + "basis:" + after.partition("basis:")[2])
    tensor = onnx.load(str(folder / "residuals.onnx")).graph.node[0].output[0]
    arguments = ("--cloud", str(unknown), *QUICK)
    (found,) = splits(answer(run_again, folder, "residuals", "--cut", tensor, *arguments))[-1:]
    assert (found["feasible"], found["verdict"]) == (None, "unproven")
    document = answer(run_again, folder, "residuals", "--cut", "auto", *arguments)
    told = [one["message"] for one in document["findings"] if one["rule"] == "PLC409"]
    assert any("how fast the model runs on near-server" in one for one in told)


def test_a_split_is_judged_on_real_samples_and_with_the_input_as_sent(
    run_again: Run, folder: Path, tmp_path: Path
) -> None:
    model = split_models.skip_from_input()
    path, samples = str(tmp_path / "skip.onnx"), str(tmp_path / "samples.npz")
    onnx.save(model, path)
    rng = np.random.default_rng(0)
    given = model.graph.input[0]
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    arrays: dict[str, Any] = {given.name: rng.random((5, *shape), dtype=np.float32)}
    np.savez(samples, **arrays)
    first = model.graph.node[0].output[0]
    result = run_again(
        "recommend", path, "--sla", "p50=5s", "--inputs", samples, *QUICK, "--format", "json",
        "--network", str(folder / "narrow.yaml"), "--cloud", str(folder / "server.yaml"),
        "--cut", first, "--cut", given.name, "--wire-input", "2KiB",
    )  # fmt: skip
    (found,) = splits(json.loads(result.out))
    assert set(found["cut"]["tensors"]) == {first, given.name}
    assert given.name in found["cut"]["raw"]
    assert found["leaves_device"] == "raw_input"
    assert found["cut"]["difference_ratio"] < 1e-3
    input_bytes = 4 * int(np.prod(shape))
    assert found["bytes_up"] == found["cut"]["bytes"] - input_bytes + 2048


def sampled(folder: Path, name: str, count: int = 3) -> str:
    """Write real samples for a model, and return their file."""
    model = onnx.load(str(folder / f"{name}.onnx"))
    given = model.graph.input[0]
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    arrays: dict[str, Any] = {
        given.name: np.random.default_rng(0).random((count, *shape), dtype=np.float32)
    }
    path = str(folder / f"{name}.npz")
    np.savez(path, **arrays)
    return path


def test_what_crosses_is_sent_in_the_smallest_format_within_the_limit(
    run_again: Run, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "asked.yaml").write_text(
        "schema: placer/workload/v1\nname: asked\nmodel: {max_error: 50%}\n"
    )
    samples = ("--inputs", sampled(folder, "residuals"))
    tensor = onnx.load(str(folder / "residuals.onnx")).graph.node[0].output[0]
    at = ("--cut", tensor, *QUICK, *samples)
    (plain,) = splits(answer(run_again, folder, "residuals", *at))
    whole = plain["cut"]["bytes"]
    assert (plain["bytes_up"], plain["cut"]["wire"], plain["cut"]["wire_bytes"]) == (
        whole,
        None,
        None,
    )
    assert plain["cut"]["wire_error_ratio"] is None
    loose = ("--workload", str(tmp_path / "asked.yaml"))
    (found,) = splits(answer(run_again, folder, "residuals", *at, *loose))
    assert found["cut"]["wire"] == "int8"
    assert found["cut"]["bytes"] == whole
    assert found["bytes_up"] == found["cut"]["wire_bytes"] == whole // 4 + 4
    assert 0 < found["cut"]["wire_error_ratio"] <= 0.5
    assert found["cut"]["wire_samples"] == 3
    way, before = (
        next(stage["p50_s"] for stage in one["stages"] if stage["kind"] == "transfer")
        for one in (found, plain)
    )
    assert way < before / 2
    tight = f"{found['cut']['wire_error_ratio'] / 2:.6f}"
    (half,) = splits(answer(run_again, folder, "residuals", *at, *loose, "--max-error", tight))
    assert half["cut"]["wire"] == "float16"
    assert half["bytes_up"] == whole // 2
    (exact,) = splits(answer(run_again, folder, "residuals", *at, "--max-error", "0.000000001"))
    assert (exact["cut"]["wire"], exact["bytes_up"]) == ("float32", whole)
    assert exact["cut"]["wire_error_ratio"] == 0


def test_the_solver_cuts_for_the_format_that_is_allowed(run_again: Run, folder: Path) -> None:
    samples = ("--inputs", sampled(folder, "funnel"))
    result = run_again(
        *ask(folder, "funnel", "--cut", "auto", "--max-error", "50%", *QUICK, *samples),
        *("--output", "text", "--output", f"json={folder / 'answer.json'}"),
    )
    found = splits(json.loads((folder / "answer.json").read_text()))
    assert found
    assert {one["cut"]["wire"] for one in found} == {"int8"}
    words = " ".join(result.out.split())
    assert "sent as int8: an output at most" in words
    assert "what crosses is taken as it is, not in a smaller format" in words


def test_without_real_samples_no_format_is_known_to_keep_a_limit(
    run_again: Run, folder: Path
) -> None:
    document = answer(run_again, folder, "residuals", "--cut", "auto", "--max-error", "5%", *QUICK)
    assert {one["cut"]["wire"] for one in splits(document)} == {None}
    told = [one for one in document["findings"] if one["rule"] == "PLC409"]
    assert any("sent as it is: without real samples" in one["message"] for one in told)
    assert any("keep an output within 5 % of its largest" in one["message"] for one in told)


def test_without_the_option_nothing_is_cut(run_again: Run, folder: Path) -> None:
    for arguments in ((), ("--cut", "none")):
        document = answer(run_again, folder, "residuals", *arguments, *QUICK)
        assert splits(document) == document["crossovers"] == []
        assert "split" not in document["decision"]["reason"]


def test_control_flow_is_a_note(run_again: Run, folder: Path) -> None:
    document = answer(run_again, folder, "control_flow", "--cut", "auto", *QUICK)
    assert splits(document) == []
    (told,) = (one for one in document["findings"] if one["rule"] == "PLC409")
    assert "control flow" in told["message"]
    assert told["severity"] == "note"


@pytest.mark.parametrize(
    ("network", "missing", "keys"),
    [
        ("lte_m", "the round-trip time of network 'lte_m' is unknown", "`rtt:`"),
        ("dsl_25", "the uplink of network 'dsl_25' is unknown", "`uplink:`"),
    ],
)
def test_a_network_that_lacks_a_figure_is_an_error_of_a_named_cut_and_a_note_of_auto(
    run: Run, folder: Path, network: str, missing: str, keys: str
) -> None:
    model, server = (str(folder / name) for name in ("residuals.onnx", "server.yaml"))
    words = ("recommend", model, "--sla", "p50=5s", "--network", network, "--cloud", server)
    tensor = onnx.load(model).graph.node[0].output[0]
    refused = run(*words, "--cut", tensor, *QUICK)
    assert refused.code == 2
    told = " ".join(refused.err.split())
    assert missing in told
    assert f"give {keys} in a network file" in told
    document = json.loads(run(*words, "--cut", "auto", *QUICK, "--format", "json").out)
    assert splits(document) == []
    (note,) = (one for one in document["findings"] if one["rule"] == "PLC409")
    assert note["message"] == f"no split is offered: {missing}"
    assert f"give {keys} in a network file" in note["remedy"]


def test_a_device_elsewhere_is_a_note(run_again: Run, folder: Path) -> None:
    document = answer(run_again, folder, "residuals", "--cut", "auto", "--device", "rpi5")
    (told,) = (one for one in document["findings"] if one["rule"] == "PLC409")
    assert "rpi5" in told["message"]
    assert "`here: true`: only its `price:` and `power:`" in told["remedy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cut", "nothere"), "no tensor 'nothere'"),
        (("--cut", "x"), "nothing would run on the device with the cut at x"),
        (("--cut", "auto", "--cut", "v1"), "--cut auto"),
        (("--cut", "v1", "--cut", "v1"), "stands twice"),
        (("--cut", " "), "--cut is empty"),
        (("--cut", "v1", "--no-measure"), "nothing is measured"),
        (("--cut", "v1", "--device", "rpi5"), "the device is rpi5"),
        (("--max-error", "1%"), "--max-error has no effect without a split"),
        (("--cut", "auto", "--max-error", "200%"), "--max-error"),
    ],
)
def test_refuses_a_cut_that_cannot_be(
    run: Run, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run(*ask(folder, "residuals", *arguments))
    assert result.code == 2
    assert message in result.err


def test_an_unknown_tensor_gets_a_near_match(run: Run, folder: Path) -> None:
    tensor = onnx.load(str(folder / "residuals.onnx")).graph.node[0].output[0]
    result = run(*ask(folder, "residuals", "--cut", f"{tensor}x"))
    assert result.code == 2
    assert "did you mean" in result.err


def test_a_head_takes_its_samples_whatever_an_input_is_called(run: Run, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["file"], ["r"]),
        helper.make_node("Add", ["r", "other"], ["y"]),
    ]
    inputs = [models.tensor("file", (1, 8)), models.tensor("other", (1, 8))]
    path = tmp_path / "two.onnx"
    onnx.save(models.build(nodes, inputs, [models.tensor("y", (1, 8))]), path)
    samples = tmp_path / "two.npz"
    write_arrays(str(samples), dict.fromkeys(("file", "other"), np.ones((4, 1, 8), np.float32)))
    done = run(
        *("recommend", str(path), "--inputs", str(samples), "--cut", "r", "--cut", "other"),
        *("--sla", "1s", "--ep", "cpu", "--threads", "1", "--time-limit", "2s"),
        *("--format", "json"),
    )
    assert done.code in (0, 5), done.err  # how many runs the machine managed is not tested
    splits = [one for one in json.loads(done.out)["candidates"] if one["placement"] == "split"]
    assert splits
    for one in splits:  # the head was run on the samples, compared with the whole and timed
        assert one["cut"]["tensors"] == ["other", "r"]
        assert one["cut"]["difference_ratio"] == 0
        assert one["quality"] is not None
