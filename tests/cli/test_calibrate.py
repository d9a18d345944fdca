"""`placer calibrate`: tables of timings, predictions, and every way a table can be wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from placer.core.calibration import Timing, Work
from placer.core.environment import ChipClass
from placer.files.calibration import CalibrationFile, read_calibration, write_calibration
from placer.profiling.machine import describe_machine
from tests import models
from tests.cli.conftest import Run

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits" / "digits.onnx"
HEADER = "model,gflops,gbytes,n_ops,latency_s"
ROWS = (
    "alexnet,1.3193,0.03178,14,0.025477",
    "resnet18,3.64,0.081,49,0.0331",
    "mobilenet,0.61,0.052,100,0.0085",
    "vit,2.5,0.09,150,0.0252",
    "tiny,0.05,0.004,40,0.00081",
    "vgg,15.0,0.3,30,0.118",
)
MODELS = "model,gflops,gbytes,n_ops\nb,4.0,0.1,60\na,1.0,0.05,80\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "t.csv"
    file.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return file


def test_predicts_in_the_order_that_was_asked(run: Run, table: Path, tmp_path: Path) -> None:
    models = tmp_path / "m.csv"
    models.write_text(MODELS)
    done = run("calibrate", "--from", table, "--predict", models, "--format", "json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert [one["model"] for one in told["predictions"]] == ["b", "a"]
    for one in told["predictions"]:
        assert set(one) == {"model", "median_s", "low_s", "high_s", "beyond_ratio"}
        assert 0 < one["low_s"] < one["median_s"] < one["high_s"]
        assert one["high_s"] / one["median_s"] == pytest.approx(told["factor_90"])
    text = run("calibrate", "--from", table, "--predict", models)
    assert "6 models" in text.out
    assert "90 % interval" in text.out


WRONG = {
    "a missing column": (
        [HEADER.replace("gbytes", "mbytes"), *ROWS],
        r"t.csv:1: column 'gbytes' is missing; did you mean 'mbytes'?",
    ),
    "two times of nearly the same work": (
        [HEADER, *ROWS, "tiny,0.0505,0.004,40,0.9"],
        "t.csv:8: 'tiny' takes 0.9 s here",
    ),
    "a time of zero": ([HEADER, *ROWS, "x,1,1,1,0"], "t.csv:8: latency_s '0' of 'x'"),
    "a negative time": ([HEADER, *ROWS, "x,1,1,1,-3"], "t.csv:8: latency_s '-3' of 'x'"),
    "no number": ([HEADER, *ROWS, "x,1,one,1,1"], "t.csv:8: gbytes 'one' of 'x' is not a number"),
    "not a number": ([HEADER, *ROWS, "x,1,1,1,nan"], "t.csv:8: latency_s 'nan' of 'x'"),
    "no work": ([HEADER, *ROWS, "x,0,0,0,1"], "t.csv:8: 'x' does no work"),
    "three rows": ([HEADER, *ROWS[:3]], "3 different model(s)"),
    "two times": ([HEADER, *ROWS, "tiny,0.05,0.004,40,0.9"], "t.csv:8: 'tiny' takes 0.9 s here"),
    "faster than physics": (
        [HEADER, *ROWS, "x,1e9,0.1,10,0.01"],
        "t.csv:8: 'x' in 0.01 s would be 1.0e+20 FLOP/s, faster than any chip",
    ),
    "a cell too few": ([HEADER, *ROWS, "x,1,1"], "t.csv:8: 3 cells under 5 columns"),
    "a column twice": ([f"{HEADER},model", *ROWS], "t.csv:1: column 'model' is there twice"),
}


@pytest.mark.parametrize(("lines", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_table_is_told_with_its_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("\n".join(lines) + "\n")
    done = run("calibrate", "--from", "t.csv")
    assert done.code == 2, done.out
    assert message.replace("; did you mean 'mbytes'?", "") in done.err
    assert "hint: " in done.err
    assert not done.out


def test_a_row_of_other_units_is_named_and_left_out(run: Run, table: Path) -> None:
    table.write_text(table.read_text() + "odd,2.0,0.06,70,17.0\n")
    done = run("calibrate", "--from", table, "--format", "json")
    assert done.code == 0
    assert f"{table}:8: 'odd' in 17 s is more than 30 times off" in done.err
    assert json.loads(done.out)["left_out"] == ["odd"]


def test_a_table_in_milliseconds_is_suspected(run: Run, table: Path) -> None:
    rows = [row.rpartition(",") for row in ROWS]
    slow = (f"{start},{1e3 * float(time)}" for start, _, time in rows)
    table.write_text("\n".join((HEADER, *slow)) + "\n")
    done = run("calibrate", "--from", table)
    assert done.code == 0
    assert "are the times in seconds" in done.err


@pytest.mark.parametrize("name", ["nothing.csv", "/dev/zero", "."])
def test_what_is_no_table_is_told(run: Run, name: str) -> None:
    done = run("calibrate", "--from", name)
    assert done.code == 3
    assert name in done.err


def test_no_prediction_is_faster_than_the_named_device(
    run: Run, table: Path, tmp_path: Path
) -> None:
    models = tmp_path / "m.csv"
    models.write_text("model,gflops,gbytes,n_ops\nhuge,1000,0.001,1\n")
    free = run("calibrate", "--from", table, "--predict", models, "--format", "json")
    device = tmp_path / "d.yaml"
    device.write_text("name: d\ntitle: d\nclass: cpu\npeak_fp32: 150 GFLOP/s\nsource: test\n")
    bound = run(
        "calibrate", "--from", table, "--predict", models, "--device", device, "--format", "json"
    )
    assert bound.code == 0, bound.err
    one, other = (json.loads(done.out)["predictions"][0] for done in (free, bound))
    assert one["low_s"] < 1000 / 150 <= other["low_s"]


def test_a_model_with_an_open_dimension_is_predicted_for_the_shape_that_is_given(
    run: Run, table: Path, tmp_path: Path
) -> None:
    path = tmp_path / "open.onnx"
    models.symbolic(str(path))
    words = ("calibrate", "--from", table, "--predict", path, "--format", "json")
    refused = run(*words)
    assert refused.code != 0
    assert "--shape x=" in refused.err
    done = run(*words, "--shape", "x=1,3,32,32")
    assert done.code == 0, done.err
    assert json.loads(done.out)["predictions"][0]["median_s"] > 0
    useless = run("calibrate", "--from", table, "--shape", "x=1,3,32,32")
    assert useless.code == 2
    assert "leave --shape out" in useless.err


def test_a_table_cannot_be_kept_as_a_calibration(run: Run, table: Path, tmp_path: Path) -> None:
    done = run("calibrate", "--from", table, "--to", tmp_path / "c.json")
    assert done.code == 2
    assert "--to keeps what was measured here" in done.err


@pytest.mark.parametrize("words", [("--ep", "cpu"), ("--threads", "1"), ("--site", "rpi5")])
def test_options_of_measuring_mean_nothing_for_a_table(
    run: Run, table: Path, words: tuple[str, str]
) -> None:
    done = run("calibrate", "--from", table, *words)
    assert done.code == 2
    assert f"{words[0]} is for measuring here" in done.err


def calibration(**changes: object) -> CalibrationFile:
    timings = tuple(
        Timing(Work(name, 1e9 * float(f), 1e9 * float(b), float(n)), float(s))
        for name, f, b, n, s in (row.split(",") for row in ROWS)
    )
    values: dict[str, object] = {
        "device": "a chip",
        "chip_class": ChipClass.CPU,
        "ep": "cpu",
        "runtime": "onnxruntime 1.27.0",
        "dtype": "float32",
        "threads": 2,
        "measured_at": "2026-11-20",
        "timings": timings,
        "machine_id": "elsewhere",
    }
    return CalibrationFile(**{**values, **changes})  # type: ignore[arg-type]  # named fields


def test_a_calibration_file_comes_back_as_it_was(tmp_path: Path) -> None:
    path = str(tmp_path / "c.json")
    write_calibration(path, calibration(site="rpi5"))
    found = read_calibration(path)
    assert [one.work for one in found.timings] == [one.work for one in calibration().timings]
    assert (found.site, found.threads, found.ep) == ("rpi5", 2, "cpu")


def recommend(run: Run, model: Path, *options: object) -> dict[str, object]:
    done = run(
        "recommend", model, "--sla", "50ms", "--device", "rpi5", "--as-of", "2026-11-26",
        "--format", "json", *options,
    )  # fmt: skip
    assert done.code in (0, 1, 5), done.err
    found = json.loads(done.out)
    edge = next(one for one in found["candidates"] if one["placement"] == "edge")
    stage: dict[str, object] = next(one for one in edge["stages"] if one["kind"] == "compute")
    return {**stage, "document": done.out}


def test_a_calibration_gives_the_time_of_a_model_that_was_not_measured(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    write_calibration(str(path), calibration())
    without = recommend(run, DIGITS)
    learnt = recommend(run, DIGITS, "--evidence", f"rpi5={path}")
    assert learnt["p50_s"] != without["p50_s"]
    assert str(path) in str(learnt["source"])
    assert learnt["basis"] == "catalogue"


@pytest.mark.parametrize(
    "changes",
    [
        {"chip_class": ChipClass.GPU, "ep": "cuda"},
        {"ep": "openvino"},
        {"dtype": "int8"},
        {"runtime": "litert 2.0"},
    ],
)
def test_a_calibration_of_another_kind_takes_nothing_away(
    run: Run, tmp_path: Path, changes: dict[str, object]
) -> None:
    path = tmp_path / "c.json"
    write_calibration(str(path), calibration(**changes))
    without = recommend(run, DIGITS)
    found = recommend(run, DIGITS, "--evidence", f"rpi5={path}")
    assert found["p50_s"] == without["p50_s"]
    assert "says nothing about the other" in str(found["document"])


def test_a_calibration_tells_what_makes_it_doubtful(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    write_calibration(str(path), calibration())
    plain = recommend(run, DIGITS, "--evidence", f"rpi5={path}")
    write_calibration(str(path), calibration(disturbed_models=5, p99_ratio=1.5))
    found = recommend(run, DIGITS, "--evidence", f"rpi5={path}")
    assert "5 disturbed by other programs" in str(found["document"])
    assert "p99 was 1.5 times the median" in str(found["document"])
    assert "medians alone" in str(plain["document"])
    assert found["p50_s"] == plain["p50_s"]


HERE = describe_machine().machine_id


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("rpi5", {"machine_id": HERE}, "was measured on this machine (a chip) and does not say"),
        ("rpi5", {"site": "orin-nx-16"}, "is the calibration of orin-nx-16, as it says itself"),
        ("rpi4", {}, "the site 'rpi4', which is not asked about; did you mean 'rpi5'"),
        ("rpi5", {"measured_at": "2030-01-01"}, "measured_at: 2030-01-01 is no day up to"),
    ],
)
def test_a_calibration_is_of_the_site_that_is_asked_about(
    run: Run, tmp_path: Path, name: str, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / "c.json"
    write_calibration(str(path), calibration(**changes))
    done = run(
        "recommend", DIGITS, "--sla", "50ms", "--device", "rpi5", "--as-of", "2026-11-26",
        "--evidence", f"{name}={path}",
    )  # fmt: skip
    assert done.code in (2, 3)
    assert message.replace("; did you mean 'rpi5'", "") in done.err


def test_a_site_to_calibrate_is_one_that_is_known(run: Run) -> None:
    done = run("calibrate", "--site", "rpi55")
    assert done.code == 2
    assert "--site 'rpi55' is neither a device nor a cloud offer" in done.err


def test_a_calibration_is_written_to_no_file_of_another_kind(run: Run, tmp_path: Path) -> None:
    victim = tmp_path / "model.onnx"
    victim.write_bytes(b"mine")
    done = run("calibrate", "--to", victim)
    assert done.code == 2
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize(("separator", "what"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_told(run: Run, tmp_path: Path, separator: str, what: str) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\n".join((HEADER, *ROWS)).replace(",", separator))
    done = run("calibrate", "--from", table)
    assert done.code == 2
    assert f"t.csv:1: columns are separated by {what}" in done.err


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x,1,0.1,10,1e200", "t.csv:2: latency_s '1e200' of 'x' is above 1e+06"),
        ("x,1e300,0.1,10,0.01", "t.csv:2: gflops '1e300' of 'x' is above 1e+12"),
        ("x,1,0.1,1e300,0.01", "t.csv:2: n_ops '1e300' of 'x' is above 1e+12"),
    ],
)
def test_numbers_that_are_none_of_a_model_are_told(
    run: Run, tmp_path: Path, row: str, words: str
) -> None:
    wrong = tmp_path / "wrong" / "t.csv"
    wrong.parent.mkdir()
    wrong.write_text("\n".join((HEADER, row, *ROWS)))
    done = run("calibrate", "--from", wrong)
    assert done.code == 2
    assert words in done.err


def test_work_that_is_none_of_a_model_is_not_predicted(
    run: Run, table: Path, tmp_path: Path
) -> None:
    models = tmp_path / "m.csv"
    models.write_text("model,gflops,gbytes,n_ops\nx,1e300,0,0\n")
    done = run("calibrate", "--from", table, "--predict", models, "--format", "json")
    assert done.code == 2
    assert "m.csv:2: gflops '1e300' of 'x' is above 1e+12" in done.err


def test_models_of_the_same_work_are_one(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\n".join([HEADER, *(f"m{n},1,0.1,10,0.01" for n in range(8))]))
    done = run("calibrate", "--from", table)
    assert done.code == 2
    assert "1 different model(s)" in done.err


def test_a_model_far_from_those_that_were_measured_has_a_wide_interval(
    run: Run, table: Path, tmp_path: Path
) -> None:
    models = tmp_path / "m.csv"
    models.write_text(
        "model,gflops,gbytes,n_ops\nnear,1,0.05,60\nmemory,0.001,10,3\nsmall,0.00001,0.0000001,1\n"
    )
    done = run("calibrate", "--from", table, "--predict", models, "--format", "json")
    told = json.loads(done.out)
    near, memory, small = told["predictions"]
    assert near["high_s"] / near["median_s"] == pytest.approx(told["factor_90"])
    for one in (memory, small):
        assert one["high_s"] / one["median_s"] > 10 * told["factor_90"]
    assert memory["low_s"] >= 10e9 / 1e14
    assert small["low_s"] >= 1e-6
    text = run("calibrate", "--from", table, "--predict", models).out
    assert "times beyond what was measured" in text


def test_a_table_of_two_units_is_told(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    cells = [row.split(",") for row in ROWS]
    late = [",".join([*row[:-1], str(1000 * float(row[-1]))]) for row in cells[3:]]
    table.write_text("\n".join((HEADER, *ROWS[:3], *late)))
    done = run("calibrate", "--from", table, "--format", "json")
    assert "of two units?" in done.err


def test_a_model_with_escapes_in_its_name_does_not_reach_the_terminal(
    run: Run, table: Path, tmp_path: Path
) -> None:
    models = tmp_path / "m.csv"
    models.write_text("model,gflops,gbytes,n_ops\nred\a\x1b[31m,1,0.1,10\n")
    done = run("calibrate", "--from", table, "--predict", models)
    assert "\a" not in done.out
    assert r"red\x07\x1b[31m" in done.out


def test_the_row_that_is_furthest_off_is_named(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\n".join((HEADER, *ROWS, "odd,2,0.1,80,0.4")))
    done = run("calibrate", "--from", table, "--format", "json")
    assert "t.csv:8: 'odd' is" in done.err
    assert any("'odd' is" in one for one in json.loads(done.out)["warnings"])


def test_bytes_in_other_units_are_suspected(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [row.split(",") for row in ROWS]
    text = [",".join([name, f, f"{1e3 * float(b)}", n, s]) for name, f, b, n, s in rows]
    table.write_text("\n".join((HEADER, *text)))
    done = run("calibrate", "--from", table)
    assert "are the bytes in 10^9?" in done.err


def test_a_file_that_contradicts_itself_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    first, *rest = calibration().timings
    odd = replace(first, work=replace(first.work, matrix_flops=9e15))
    write_calibration(str(path), calibration(timings=(odd, *rest)))
    done = run("calibrate", "--from", path)
    assert done.code == 3
    assert "timings.0.matrix_flops" in done.err


def test_a_calibration_of_another_machine_must_say_which(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    write_calibration(str(path), calibration())
    done = run("recommend", DIGITS, "--sla", "1s", "--device", "rpi5", "--evidence", path)
    assert done.code == 2
    assert f"--evidence NAME={path}" in done.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "schema"),
        ('{"schema": "placer/calibration/v1"}', "device"),
        ('{"schema": "placer/calibration/v1", "timings": [1,', "the JSON ends too early"),
    ],
)
def test_a_broken_calibration_file_is_told(
    run: Run, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    done = run("calibrate", "--from", path)
    assert done.code == 3
    assert message in done.err
