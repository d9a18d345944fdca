"""``placer split --attack``: what is rebuilt of what crosses, and where nothing needs to be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.cli.conftest import Run
from tests.models import build, tensor, weights
from tests.pages import ROOT


def test_an_attack_tells_what_it_rebuilds_of_the_samples(run: Run, tmp_path: Path) -> None:
    digits = ROOT / "examples" / "01_digits"
    with np.load(digits / "samples.npz") as given:
        np.savez(tmp_path / "some.npz", image=given["image"][:100])
    words = ("split", digits / "digits.onnx", "--inputs", tmp_path / "some.npz", "--attack")
    plans = json.loads(run(*words, "--cut", "block1.relu2", "--format", "json").out)["plans"]
    by_kind = {one["placement"]: one["attacked"] for one in plans}
    (found,) = by_kind.pop("split")
    assert (found["input"], found["leak"]) == ("image", "linearly recoverable")
    assert found["samples"] == 100
    assert found["psnr_db"] > found["mean_psnr_db"] + 5
    assert by_kind.pop("edge") == []
    (whole,) = by_kind.pop("cloud")  # by its structure the input is raw
    assert (whole["input"], whole["leak"], whole["samples"]) == ("image", "raw", 0)
    assert whole["reason"] == "the graph shows it (image), so that there is nothing to attack"
    few = run("split", digits / "digits.onnx", "--attack")
    assert few.code == 2
    assert "--inputs SAMPLES.npz" in few.err


def test_an_attack_says_that_a_raw_cut_needs_none(run: Run) -> None:
    digits = ROOT / "examples" / "01_digits"
    words = ("--cut", "stem", "--inputs", digits / "samples.npz", "--attack")
    done = run("split", digits / "digits.onnx", *words)
    assert done.code == 0, done.err
    why = "is raw; the graph shows it ({}), so that there is nothing to attack"
    assert f"attacked: at stem the input image {why.format('image -> Mul -> Conv')}" in done.out
    assert f"attacked: all on the cloud, the input image {why.format('image')}" in done.out


def test_beside_a_raw_input_the_others_are_attacked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x leaves as it is, and of z what a layer makes."""
    monkeypatch.chdir(tmp_path)
    model = build(
        [
            helper.make_node("Neg", ["x"], ["x2"]),
            helper.make_node("MatMul", ["z", "w"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Concat", ["x2", "r"], ["y"], axis=1),
        ],
        [tensor("x", (1, 16)), tensor("z", (1, 16))],
        [tensor("y", (1, 20))],
        [weights("w", 16, 4, fan_in=16)],
    )
    onnx.save(model, "two.onnx")
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 40, 16), dtype=np.float32)
    np.savez("two.npz", x=first, z=second)
    cut = ("--cut", "x2", "--cut", "r", "--inputs", "two.npz", "--attack", "--format", "json")
    done = run("split", "two.onnx", *cut)
    assert done.code == 0, done.err
    plans = json.loads(done.out)["plans"]
    (split,) = (one for one in plans if one["placement"] == "split")
    x, z = split["attacked"]
    assert (x["input"], x["leak"], x["psnr_db"]) == ("x", "raw", None)
    assert z["input"] == "z"
    assert z["samples"] == 40
    assert z["leak"] != "raw"


def test_what_an_attack_rebuilds_to_its_last_level_is_raw_input(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer and a Relu that no sample is cut off by: the graph alone does not show it."""
    monkeypatch.chdir(tmp_path)
    bias = numpy_helper.from_array(np.full(16, 100, np.float32), "b")
    model = build(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("MatMul", ["r", "v"], ["y"]),
        ],
        [tensor("x", (1, 8))],
        [tensor("y", (1, 4))],
        [weights("w", 8, 16, fan_in=8), bias, weights("v", 16, 4, fan_in=16)],
    )
    onnx.save(model, "shifted.onnx")
    np.savez("some.npz", x=np.random.default_rng(1).random((64, 8), dtype=np.float32))
    words = ("split", "shifted.onnx", "--cut", "r", "--inputs", "some.npz")
    attacked = run(*words, "--attack", "--format", "json")
    (split,) = (one for one in json.loads(attacked.out)["plans"] if one["placement"] == "split")
    assert split["leaves_device"] == "raw_input"
    kept = run(*words, "--attack", "--keep-raw-input", "--to", "parts")
    assert kept.code == 1
    assert "the cut at r: raw input would leave the device (x: a linear attack" in kept.err
    assert not Path("parts").exists()
    assert run(*words, "--keep-raw-input", "--to", "parts").code == 0  # nobody looked
