"""A cut has one name in every answer, and each hint names cuts that can be asked for."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from placer.api.split_candidates import movable_outputs, named_cut
from placer.api.splitting import open_to_split
from placer.core.errors import UsageError
from tests import split_models
from tests.cli.conftest import Run
from tests.models import build, tensor, weights
from tests.split_exports import NARROW_FILE, write_network
from tests.tainted import const

NETWORK = ("--network", NARROW_FILE)
QUICK = ("--threads", "1", "--time-limit", "1s")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path)
    onnx.save(split_models.skip_from_input(), "skip.onnx")
    onnx.save(split_models.straight(), "straight.onnx")


def cuts_in(text: str) -> list[list[str]]:
    """Return the tensors of each run of ``--cut`` options in a text."""
    found = re.findall(r"(?:--cut (?:\$?'(?:[^'\\]|\\.)*'|[^\s'\"]+) ?)+", text)
    return [shlex.split(one)[1::2] for one in found if "TENSOR" not in one]


def plans(run: Run, model: str, *options: str) -> list[dict[str, Any]]:
    done = run("split", model, *NETWORK, *options, "--format", "json")
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)["plans"]
    return found


def test_a_cut_has_one_name_in_split_and_recommend_whatever_the_order(run: Run) -> None:
    cut = ("--cut", "x", "--cut", "v1")
    (split,) = (p for p in plans(run, "skip.onnx", *cut, *QUICK) if p["placement"] == "split")
    assert split["tensors"] == ["v1", "x"]
    text = run("split", "skip.onnx", *NETWORK, *cut, *QUICK).out
    assert "\nsplit at v1, x " in text
    asked = ("--sla", "p50=5s", "--ep", "cpu", "--cloud", "aws-c7i.xlarge@us-east-1")
    done = run("recommend", "skip.onnx", *NETWORK, *cut, *QUICK, *asked, "--format", "json")
    document = json.loads(done.out)
    (found,) = (one for one in document["candidates"] if one["placement"] == "split")
    assert found["cut"]["tensors"] == ["v1", "x"]
    assert found["id"].endswith(":v1,x")
    named = {tuple(one["tensors"]) for one in document["crossovers"]}
    assert named <= {(), ("v1", "x")}


def test_the_remedy_of_an_incomplete_cut_is_a_cut(run: Run) -> None:
    done = run("split", "skip.onnx", *NETWORK, "--cut", "v1")
    assert done.code == 2
    (cut,) = cuts_in(done.err)
    assert cut == ["v1", "x"]
    again = [word for name in cut for word in ("--cut", name)]
    assert run("split", "skip.onnx", *NETWORK, *again, *QUICK).code == 0


def test_the_best_split_can_be_written_as_the_report_says(run: Run) -> None:
    done = run("split", "skip.onnx", *NETWORK, *QUICK, "--to", "parts")
    assert done.code == 1, done.err
    (cut,) = cuts_in(done.out)
    again = [word for name in cut for word in ("--cut", name)]
    assert run("split", "skip.onnx", *NETWORK, *QUICK, *again, "--to", "parts").code == 0
    assert Path("parts/contract.json").exists()


def test_each_tensor_that_is_listed_can_be_cut_at(run: Run) -> None:
    text = run("split", "straight.onnx", *NETWORK, *QUICK).out
    (listed,) = re.findall(r"^  they are: (.*)$", text, re.MULTILINE)
    names = listed.split(", ")
    for name in (names[0], names[-1]):
        assert run("split", "straight.onnx", *NETWORK, *QUICK, "--cut", name).code == 0


def test_a_near_match_is_a_tensor_that_can_be_cut_at(run: Run) -> None:
    """Not the output, which nothing takes, nor a tensor of truth values, nor the input."""
    model = build(
        [
            helper.make_node("MatMul", ["images", "w"], ["image_2"]),
            helper.make_node("Add", ["image_2", "b"], ["image_1"]),
        ],
        [tensor("images", (1, 8))],
        [tensor("image_1", (1, 8))],
        [weights("w", 8, 8), const("b", [1.0] * 8)],
    )
    onnx.save(model, "near.onnx")
    done = run("split", "near.onnx", *NETWORK, "--cut", "image_1x")
    assert done.code == 2
    (near,) = re.findall(r"did you mean '([^']*)'", done.err)
    assert run("split", "near.onnx", *NETWORK, *QUICK, "--cut", near).code == 0


def test_a_name_that_a_terminal_would_not_show_can_be_copied(run: Run) -> None:
    odd = "it's\x1b[0m"
    model = build(
        [
            helper.make_node("MatMul", ["x", "w"], [odd]),
            helper.make_node("Relu", [odd], ["y"]),
        ],
        [tensor("x", (1, 8))],
        [tensor("y", (1, 8))],
        [weights("w", 8, 8)],
    )
    onnx.save(model, "odd.onnx")
    done = run("split", "odd.onnx", *NETWORK, *QUICK, "--to", "parts")
    assert "\x1b" not in done.out
    assert r"--cut $'it\'s\x1b[0m'" in done.out
    assert run("split", "odd.onnx", *NETWORK, *QUICK, "--cut", odd).code == 0


def test_a_cut_at_the_input_alone_is_one_where_the_device_makes_an_output(run: Run) -> None:
    model = build(
        [
            helper.make_node("ReduceMean", ["x"], ["early"], axes=[1]),
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Relu", ["h"], ["late"]),
        ],
        [tensor("x", (1, 8))],
        [tensor("early", (1, 1)), tensor("late", (1, 4))],
        [weights("w", 8, 4)],
    )
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    onnx.save(model, "both.onnx")
    found = [p for p in plans(run, "both.onnx", *QUICK, "--cut", "x") if p["placement"] == "split"]
    assert found
    assert all(one["outputs_here"] for one in found)
    asked = ("--sla", "p50=5s", "--ep", "cpu", "--cloud", "aws-c7i.xlarge@us-east-1")
    cut = ("--cut", "x", *asked, "--save", "answer.json")
    assert run("recommend", "both.onnx", *NETWORK, *QUICK, *cut).code < 2
    verified = run("verify", "answer.json", "--local-tail", *QUICK[2:], "--format", "json")
    (taken,) = (
        one for one in json.loads(verified.out)["candidates"] if one["id"].startswith("split:")
    )
    assert taken["reason"] == "the tail ran here, without the network"
    saved = json.loads(Path("answer.json").read_text())
    (made,) = (one["cut"]["outputs_here"] for one in saved["candidates"] if one["cut"])
    assert made in (["early"], ["late"])
    source = open_to_split("both.onnx")
    for name in ("early", "late"):  # verify cuts where the answer says
        tiers = named_cut(source, ["x"], outputs_here=[name])
        assert movable_outputs(source, tiers)[0] == (name,)
    with pytest.raises(UsageError, match="no cut at x has just early, late made by the device"):
        named_cut(source, ["x"], outputs_here=["late", "early"])
    done = run("split", "straight.onnx", *NETWORK, "--cut", "x")
    assert done.code == 2
    assert "nothing would run on the device with the cut at x" in done.err
