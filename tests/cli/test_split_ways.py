"""Cuts of one name that are two plans: an output made by the head, or by the tail."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from tests import split_models
from tests.cli.conftest import Run
from tests.split_exports import NARROW_FILE, write_network


@pytest.fixture
def early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A model with an early output; the tensor it is made of and the output."""
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path)
    model = split_models.two_outputs()
    onnx.save(model, "two.onnx")
    output = model.graph.output[1].name
    (maker,) = (node for node in model.graph.node if output in node.output)
    return maker.input[0], output


def test_a_cut_that_can_be_made_in_two_ways_says_which_it_took(
    run: Run, early: tuple[str, str]
) -> None:
    tensor, output = early
    asked = ("split", "two.onnx", "--cut", tensor, "--network", NARROW_FILE)
    done = run(*asked, "--format", "json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    splits = [one for one in document["plans"] if one["placement"] == "split"]
    assert len(splits) > 1
    assert all(one["tensors"] == [tensor] for one in splits)
    made = [output in one["outputs_here"] for one in splits]
    assert made.count(True) >= 1
    assert all(
        (output in one["outputs_there"]) != here for one, here in zip(splits, made, strict=True)
    )
    (note,) = (one for one in document["notes"] if "ways to cut there" in one)
    assert note.startswith(f"split at {tensor} (")
    totals = [one["total_s"] for one in splits]
    assert totals == sorted(totals)
    text = run(*asked).out
    names = [line.partition("  ")[0] for line in text.splitlines() if line.startswith("split at")]
    assert len(set(names)) == len(names) == len(splits)


def test_plans_that_differ_in_who_makes_an_output_are_told_apart_in_the_table(
    run: Run, early: tuple[str, str]
) -> None:
    done = run("split", "two.onnx", "--network", NARROW_FILE, "--top", "20")
    assert done.code == 0, done.err
    names = [
        line.partition("  ")[0] for line in done.out.splitlines() if line.startswith("split at")
    ]
    assert len(set(names)) == len(names)
    assert any(f"{early[1]} made here" in name for name in names)


def test_the_written_split_is_the_one_that_was_taken(run: Run, early: tuple[str, str]) -> None:
    tensor, output = early
    asked = ("--cut", tensor, "--network", NARROW_FILE, "--to", "parts", "--format", "json")
    done = run("split", "two.onnx", *asked)
    assert done.code == 0, done.err
    taken = next(one for one in json.loads(done.out)["plans"] if one["placement"] == "split")
    contract = json.loads(Path("parts/contract.json").read_text())
    made_here = {one["name"] for one in contract["parts"][0]["outputs"]}
    assert (output in made_here) == (output in taken["outputs_here"])
