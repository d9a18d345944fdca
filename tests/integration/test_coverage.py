"""Which nodes a Snapdragon's NPU would run, by Qualcomm's own compiler."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import onnx
import onnx.parser
import pytest

from placer.api.coverage import coverage
from placer.cli import main
from placer.core.coverage import SOCS
from placer.core.errors import MeasuringError, UsageError
from tests import models

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits" / "digits.onnx"
needs_qnn = pytest.mark.skipif(
    find_spec("onnxruntime_qnn") is None, reason="onnxruntime-qnn is not installed"
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model with two operators that this NPU does not run."""
    model = onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N,3,8,8] x) => (float[N,3,8,8] y, int64[4,n] z) {
          a = Relu(x)
          b = Erf(a)
          s = Sigmoid(b)
          y = Mul(s, a)
          z = NonZero(y)
        }
        """
    )
    for node in model.graph.node:
        node.name = f"the_{node.op_type}"
    path = str(tmp_path_factory.mktemp("mixed") / "mixed.onnx")
    onnx.save(model, path)
    return path


@needs_qnn
@pytest.mark.parametrize("soc", ["SM8550", "sm8650"])
def test_a_network_of_common_operators_runs_whole(soc: str) -> None:
    _, found = coverage(str(DIGITS), soc=soc)
    assert found.soc == soc.upper()
    assert (found.n_covered, found.n_nodes, found.n_parts) == (19, 19, 1)
    assert found.left_out == ()
    assert found.nodes_by_ep == (("qnn", 19),)


@needs_qnn
def test_what_is_left_out_is_named_with_the_reason(mixed: str) -> None:
    _, found = coverage(mixed, soc="SM8650", shapes={"x": (1, 3, 8, 8)})
    reasons = {node.name: (node.op_type, node.ep, node.reason) for node in found.left_out}
    assert set(reasons) == {"the_Erf", "the_NonZero"}
    assert reasons["the_Erf"][:2] == ("Erf", "cpu")
    assert "not supported" in reasons["the_Erf"][2]
    assert "must be static" in reasons["the_NonZero"][2]
    assert found.n_covered == 3
    assert found.nodes_by_ep == (("qnn", 3), ("cpu", 2))
    assert found.operators_left_out == (("Erf", 1), ("NonZero", 1))


@needs_qnn
def test_a_model_that_is_refused_is_not_covered(tmp_path: Path) -> None:
    path = str(tmp_path / "custom.onnx")
    models.custom_op(path)
    with pytest.raises(MeasuringError, match="not a registered function"):
        coverage(path, soc="SM8650")


@needs_qnn
def test_a_compiler_without_its_library_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "onnxruntime_qnn"
    package.mkdir()
    (package / "__init__.py").write_text(
        "def get_ep_name(): return 'QNNExecutionProvider'\n"
        "def get_library_path(): return '/nowhere/libqnn.so'\n"
        "def get_qnn_htp_path(): return '/nowhere/libQnnHtp.so'\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MeasuringError, match="does not load"):
        coverage(str(DIGITS), soc="SM8650")


def test_unknown_chip_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="did you mean 'SM8650'"):
        coverage(str(DIGITS), soc="SM8660")
    assert sorted(SOCS.values()) == sorted(set(SOCS.values()))


@needs_qnn
def test_the_command_reports_in_text_and_json(
    mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["profile", mixed, "--ep", "qnn", "--coverage-only", "--soc", "SM8650"]
    command += ["--shape", "x=1,3,8,8"]
    assert main(command) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "3 of 5 nodes (60%), in 2 pieces" in text
    assert "1 × Erf on cpu (the_Erf): " in text
    assert "says nothing about time" in text
    assert main([*command, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "placer/coverage/v1"
    assert document["is_emulated"] is True
    assert document["nodes_by_ep"] == {"qnn": 3, "cpu": 2}
    assert [node["name"] for node in document["left_out"]] == ["the_Erf", "the_NonZero"]
    assert "median" not in json.dumps(document)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--coverage-only"], "needs the execution provider and the chip"),
        (["--coverage-only", "--ep", "cpu", "--soc", "SM8650"], "--ep qnn --soc CHIP"),
        (["--soc", "SM8650", "--ep", "qnn"], "--soc is for --coverage-only"),
        (["--coverage-only", "--ep", "qnn", "--soc", "SM8660"], "did you mean 'SM8650'"),
        (["--coverage-only", "--ep", "qnn", "--soc", "SM8650", "--sla", "1ms"], "would do nothing"),
        (["--coverage-only", "--ep", "qnn", "--soc", "SM8650", "--fresh"], "leave out --fresh"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", str(DIGITS), *arguments]) == 2
    assert words in capsys.readouterr().err


@needs_qnn
@pytest.mark.parametrize("whole", [True, False])
def test_recommend_takes_the_coverage_of_a_device_as_a_fact(
    whole: bool, mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = [str(DIGITS)] if whole else [mixed, "--shape", "x=1,3,8,8"]
    command = ["recommend", *model, "--device", "sd-8gen3", "--sla", "20ms", "--format", "json"]
    code = main(command)
    edge = next(
        one
        for one in json.loads(capsys.readouterr().out)["candidates"]
        if one["placement"] == "edge"
    )
    rules = {found["rule"]: found["message"] for found in edge["findings"]}
    if whole:
        assert code == 0
        assert edge["verdict"] == "met"
        assert edge["sites"][0]["nodes_by_ep"] == {"qnn": 19}
        assert "all 19 nodes compile for the NPU of SM8650" in rules["PLC601"]
    else:
        (target,) = edge["targets"]  # twenty-four times longer still keeps it
        assert (code, target["verdict"]) == (0, "met")
        assert target["high_s"] > 5 * edge["latency_s"]["p50"]
        assert "2 of 5 nodes run on cpu" in rules["PLC403"]
        assert "would fall back to the CPU (Erf, NonZero)" in rules["PLC601"]


def test_an_npu_whose_nodes_are_not_known_may_take_seven_times_longer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["recommend", str(DIGITS), "--device", "sd-8gen3", "--format", "json"]
    assert main([*command, "--sla", "1ms", "--no-measure"]) == 5
    assert main([*command, "--sla", "20ms", "--no-measure"]) == 0
    assert "not known" in capsys.readouterr().out
