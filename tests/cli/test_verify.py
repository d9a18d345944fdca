"""``placer verify`` from a saved recommendation to its exit code."""

from __future__ import annotations

import json
import platform
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import helper

from placer.api.splitting import cut_at, open_to_split, write_split
from placer.core.cuts import single_tensor_points
from placer.files.evidence import to_statement
from placer.reports.verification.json import verification_schema
from placer.runtimes.onnxruntime import available_eps
from tests import builders, models, onnx_server
from tests.cli.conftest import Result, Run
from tests.ports import free_port

SITE = "aws-c7i.xlarge@us-east-1"
CLOUD = f"cloud:{SITE}"
ANYTHING = (1e-9, 1e3)
NOTHING = (10.0, 20.0)
"""An interval that no run of these models reaches."""
UNBOUNDED = "inside, but its requests do not bound it: raise --time-limit"
"""All that a busy machine may say of a prediction that nothing misses."""
ANSWERS: dict[tuple[str, tuple[str, ...]], str] = {}
"""(model, options) of a recommendation -> what it answered."""
Saved = Callable[..., Path]


@pytest.fixture
def saved(
    run_again: Run, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Saved:
    """Save a recommendation of a small model, with this interval for all its targets."""
    monkeypatch.chdir(tmp_path)

    def make(
        interval: tuple[float | None, float | None] = ANYTHING,
        *options: str,
        edit: Callable[[dict[str, Any]], None] | None = None,
        model: str = small_model,
    ) -> Path:
        shutil.copy(model, "model.onnx")
        given = options or ("--cloud", SITE, "--ep", "cpu", "--time-limit", "1s")
        if (
            model,
            given,
        ) not in ANSWERS:  # what is asked of an answer does not hang on when it was measured
            targets = ("--sla", "p50=1s", "--sla", "p90=2s", "--sla", "p99=3s")
            found = run_again("recommend", "model.onnx", *targets, *given, "--save", "answer.json")
            assert found.code in (0, 5), found.err
            ANSWERS[model, given] = Path("answer.json").read_text()
        document = json.loads(ANSWERS[model, given])
        for candidate in document["candidates"]:
            for target in candidate["targets"]:
                target["low_s"], target["high_s"] = interval
            if candidate["quality"] is not None:  # the machine of the tests is busy
                candidate["quality"] = {"disturbed": False, "reasons": []}
        if edit is not None:
            edit(document)
        Path("answer.json").write_text(json.dumps(document))
        return Path("answer.json")

    return make


def verify(run: Run, *options: str) -> Result:
    kept = () if "--save" in options else ("--save", "seen.json")
    return run("verify", "answer.json", "--time-limit", "1s", *options, *kept)


def check_held(found: Result) -> None:
    """Nothing missed, the medians hold, and the exit code says what the answer says.

    Only a quantile that the requests of a busy machine leave without a bound may be undecided.
    """
    document = json.loads(Path("seen.json").read_text())
    assert found.code == {"within": 0, "undecided": 5}[document["outcome"]], found.err
    compared = [one for one in document["candidates"] if one["runs"] and not one["reason"]]
    assert any(one["chosen"] for one in compared)
    for quantile in (quantile for one in compared for quantile in one["quantiles"]):
        if quantile["outcome"] == "undecided":
            assert quantile["reason"] == UNBOUNDED
            assert quantile["percentile"] > 0.5
        else:
            assert quantile["outcome"] == "within", quantile
    asked = [one for one in compared if one["chosen"]]
    is_open = any(one["outcome"] == "undecided" for one in asked)
    assert (found.code == 5) == is_open


def candidate(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = next(one for one in document["candidates"] if one["id"] == name)
    assert isinstance(found, dict)
    return found


@contextmanager
def serving(
    change: onnx_server.Change = lambda _, found: found, *, tells: bool = True, **named: Path
) -> Iterator[str]:
    """Serve models; give the URL."""
    port = free_port()
    files = {name: str(path) for name, path in named.items()}
    server = onnx_server.Server(("127.0.0.1", port), files, change, tells=tells)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()


def test_what_runs_here_is_run_and_held_to_its_prediction(run: Run, saved: Saved) -> None:
    saved()
    reports = ("--output", "text", "--output", "json=out.json", "--save", "kept.json")
    found = run("verify", "answer.json", "--time-limit", "3s", *reports)
    assert found.code == 0, found.err
    headline = "✔ The measured p50, p90 and p99 of edge:cpu lie within what was predicted"
    assert " ".join(found.out.split()).startswith(headline)
    assert "No rival that may be chosen ran" in " ".join(found.out.split())
    assert "no server to run it on is named: --endpoint URL" in found.out
    document = json.loads(Path("out.json").read_text())
    jsonschema.validate(document, verification_schema())
    assert Path("kept.json").read_text() == Path("out.json").read_text()
    edge = candidate(document, "edge:cpu")
    assert edge["chosen"]
    assert edge["runs"] >= 449
    for quantile in edge["quantiles"]:
        assert quantile["outcome"] == "within"
        assert 0 < quantile["measured"]["value_s"] < 1
    assert document["regret_ratio"] is None
    cloud = candidate(document, CLOUD)
    assert (cloud["outcome"], cloud["runs"], cloud["where"]) == ("not_judged", 0, None)


def test_the_settings_are_those_that_were_recommended(run: Run, saved: Saved) -> None:
    def edit(document: dict[str, Any]) -> None:
        candidate(document, "edge:cpu")["sites"][0]["options"] = "2 threads, no spinning"

    saved(edit=edit)
    assert "cpu here, 2 threads, no spinning" in verify(run).out


def test_a_missed_interval_is_1(run: Run, saved: Saved) -> None:
    saved(NOTHING)
    found = verify(run)
    assert found.code == 1
    assert found.out.startswith("✖ A prediction misses its interval: edge:cpu.")
    assert "p50: quicker than predicted" in found.out


def test_a_server_is_asked_for_real(run: Run, saved: Saved) -> None:
    saved()
    with serving(model=Path("model.onnx")) as url:
        found = verify(run, "--endpoint", url, "--format", "json")
        check_held(found)
        document = json.loads(found.out)
        assert candidate(document, CLOUD)["where"] == f"{url}, model"
        assert candidate(document, CLOUD)["runs"] >= 30
        assert document["best"] in ("edge:cpu", CLOUD)
        in_json = verify(run, "--endpoint", f"{SITE}={url}", "--encoding", "json")
        check_held(in_json)
        assert "1 rival" in in_json.out


def test_a_server_of_a_model_that_gives_one_number_is_asked(run: Run, saved: Saved) -> None:
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["squares"]),
        helper.make_node("ReduceMean", ["squares"], ["y"], keepdims=0),
    ]
    takes, gives = [models.tensor("x", (1, 64))], [models.tensor("y", ())]
    onnx.save(models.build(nodes, takes, gives, []), "scalar.onnx")
    saved(model=str(Path("scalar.onnx").resolve()))
    with serving(model=Path("model.onnx")) as url:
        found = verify(run, "--endpoint", url, "--format", "json")
    assert candidate(json.loads(found.out), CLOUD)["runs"] >= 30, found.err


def test_a_cloud_that_misses_is_1_although_the_chosen_holds(run: Run, saved: Saved) -> None:
    def edit(document: dict[str, Any]) -> None:
        for target in candidate(document, CLOUD)["targets"]:
            target["low_s"], target["high_s"] = NOTHING

    saved(edit=edit)
    with serving(model=Path("model.onnx")) as url:
        found = verify(run, "--endpoint", url)
    assert found.code == 1
    assert f"misses its interval: {CLOUD}." in found.out


def test_a_server_with_another_model_is_refused(run: Run, saved: Saved, tmp_path: Path) -> None:
    saved()
    models.mlp(str(tmp_path / "other.onnx"), width=32, layers=1)
    with serving(model=tmp_path / "other.onnx", tail=tmp_path / "other.onnx") as url:
        shape = verify(run, "--endpoint", url)
        unknown = verify(run, "--endpoint", url, "--endpoint-model", "modl")
    assert (shape.code, unknown.code) == (3, 3)
    assert "is 1x32, not 1x64" in shape.err
    assert "did you mean 'model'?" in unknown.err


def test_a_variant_on_a_server_is_not_that_of_the_model(run: Run, saved: Saved) -> None:
    def edit(document: dict[str, Any]) -> None:
        candidate(document, CLOUD)["variant"] = "model-int8.onnx"

    saved(edit=edit)
    with serving(model=Path("model.onnx")) as url:
        found = verify(run, "--endpoint", f"{SITE}={url}")
    check_held(found)
    assert "it is a variant on a server" in " ".join(found.out.split())


def test_a_server_that_does_not_tell_its_inputs_is_asked_all_the_same(
    run: Run, saved: Saved
) -> None:
    saved()
    with serving(tells=False, model=Path("model.onnx")) as url:
        found = verify(run, "--endpoint", url, "--format", "json")
    check_held(found)
    assert candidate(json.loads(found.out), CLOUD)["runs"] >= 30


def test_what_a_server_does_wrong_loses_nothing_of_the_others(run: Run, saved: Saved) -> None:
    saved()
    for url, code, words in (
        (f"http://127.0.0.1:{free_port()}", 4, "refuses connections"),
        (None, 3, "does not know the model 'model'"),
    ):
        with serving(other=Path("model.onnx")) as other:
            given = ("--output", "json", "--save", "kept.json")
            found = verify(run, "--endpoint", url or other, *given)
        assert found.code == code
        assert words in found.err
        document = json.loads(found.out)
        assert json.loads(Path("kept.json").read_text()) == document
        assert candidate(document, "edge:cpu")["runs"] > 0
        assert words in candidate(document, CLOUD)["reason"]


def halved(_: str, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array / 2 for name, array in outputs.items()}


def renamed(_: str, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}\x1b[31m": array for name, array in outputs.items()}


def test_a_server_that_answers_otherwise_is_refused(run: Run, saved: Saved) -> None:
    saved()
    with serving(halved, model=Path("model.onnx")) as url:
        binary = verify(run, "--endpoint", url)
        in_json = verify(run, "--endpoint", url, "--encoding", "json")
    with serving(renamed, model=Path("model.onnx")) as url:
        names = verify(run, "--endpoint", url)
    assert (binary.code, in_json.code, names.code) == (3, 3, 3)
    assert "numbers 0.5 of the largest apart" in binary.err
    assert "numbers 0.5 of the largest apart" in in_json.err
    assert "is no output of what was recommended" in names.err
    assert "\x1b" not in names.err


def test_a_tail_that_answers_otherwise_is_refused(run: Run, saved: Saved) -> None:
    saved()
    source = open_to_split("model.onnx")
    tensor = single_tensor_points(source.graph)[1]
    saved(edit=lambda document: split_of(document, tensor))
    contract = write_split(source, cut_at(source, [[tensor]]), 1, "parts")
    tail = Path("parts") / contract.parts[1].files[0][0]

    def change(name: str, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return halved(name, outputs) if name == "tail" else outputs

    with serving(change, model=Path("model.onnx"), tail=tail) as url:
        found = verify(run, "--endpoint", url, "--tail-model", "tail")
    assert found.code == 3, found.out
    assert "an inference of 'tail' otherwise than the model does here" in found.err


def test_a_server_that_is_not_there_is_4(run: Run, saved: Saved) -> None:
    saved()
    found = verify(run, "--endpoint", f"http://127.0.0.1:{free_port()}")
    assert found.code == 4
    assert "refuses connections" in found.err


def test_sites_of_servers_must_be_those_of_the_answer(run: Run, saved: Saved) -> None:
    saved(ANYTHING, "--ep", "cpu", "--time-limit", "1s")  # two clouds
    several = verify(run, "--endpoint", "http://127.0.0.1:1")
    unknown = verify(run, "--endpoint", "aws-c7i.xlarg=http://127.0.0.1:1")
    twice = verify(
        run,
        *("--endpoint", "aws-c7i.xlarge=http://127.0.0.1:1"),
        *("--endpoint", f"{SITE}=http://127.0.0.1:2"),
    )
    assert (several.code, unknown.code, twice.code) == (2, 2, 2)
    assert "has several clouds" in several.err
    assert f"did you mean '{SITE}'?" in unknown.err
    assert "names two servers" in twice.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tail-model", "tail"), "--tail-model has no effect without --endpoint"),
        (("--timeout", "1s"), "--timeout has no effect without --endpoint"),
        (("--endpoint", "http://h", "--encoding", "xml"), "--encoding 'xml' is unknown"),
        (("--endpoint", "grpc://h", "--encoding", "json"), "no effect over gRPC"),
        (("--endpoint", "=http://h"), "names no site"),
        (("--endpoint", "h:80"), "does not say what is spoken"),
        (("--endpoint", "iperf3://h"), "unknown scheme"),
        (("--endpoint", "http://h", "--tail-model", "t", "--local-tail"), "are both given"),
        (("--rate", "30"), "unit"),
        (("--save", "answer.json"), "is an input"),
    ],
)
@pytest.mark.usefixtures("saved")
def test_options_that_make_no_sense_are_2(
    run: Run, options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    (tmp_path / "answer.json").write_text("{}")
    found = run("verify", "answer.json", *options)
    assert found.code == 2, found.err
    assert words in found.err


def test_another_model_than_it_was_is_3(run: Run, saved: Saved) -> None:
    saved()
    shutil.copy("model.onnx", "kept.onnx")
    models.mlp("model.onnx", width=64, layers=3)
    changed = verify(run)
    assert changed.code == 3
    assert "is not the model of answer.json" in changed.err
    assert "recommend again" in changed.err
    Path("model.onnx").unlink()
    gone = verify(run)
    assert gone.code == 3
    assert "--model FILE" in gone.err
    check_held(verify(run, "--model", "kept.onnx"))


def test_what_is_no_recommendation_is_3(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (b"{", b"[]", b"\xff", to_statement(builders.measurement(), tool="tests")):
        Path("answer.json").write_bytes(content)
        found = run("verify", "answer.json")
        assert found.code == 3, found.err
        assert "placer recommend MODEL --save FILE" in found.err
    assert run("verify", "missing.json").code == 3
    assert run("verify", ".").code == 3


def test_another_device_is_not_run_here_unless_this_is_it(run: Run, saved: Saved) -> None:
    saved(ANYTHING, "--device", "rpi5", "--no-measure", "--cloud", SITE)
    there = verify(run)
    assert there.code == 5
    assert "it runs on rpi5: verify it there, with --here" in " ".join(there.out.split())
    here = verify(run, "--here", "--format", "json")
    ran = [one for one in json.loads(here.out)["candidates"] if one["runs"]]
    assert {one["placement"] for one in ran} == {"edge"}


def test_a_device_without_an_execution_provider_is_not_run(run: Run, saved: Saved) -> None:
    def edit(document: dict[str, Any]) -> None:
        candidate(document, "edge:cpu")["sites"][0]["ep"] = "none"

    saved(edit=edit)
    found = verify(run)
    assert found.code == 5
    assert "no execution provider that placer times runs it" in " ".join(found.out.split())


def test_what_was_measured_on_another_machine_is_not_run_here(run: Run, saved: Saved) -> None:
    def edit(document: dict[str, Any]) -> None:
        candidate(document, "edge:cpu")["sites"][0]["device"] = "another CPU, 64 core(s)"

    saved(edit=edit)
    found = verify(run)
    assert found.code == 5
    assert "measured on another machine (another CPU, 64 core(s))" in " ".join(found.out.split())


@pytest.mark.skipif("cuda" in available_eps(), reason="CUDA runs here")
def test_a_chosen_placement_that_cannot_run_is_4_after_the_report(run: Run, saved: Saved) -> None:
    def edit(document: dict[str, Any]) -> None:
        candidate(document, "edge:cpu")["sites"][0]["ep"] = "cuda"

    saved(edit=edit)
    found = verify(run)
    assert found.code == 4
    assert "Not verified" in found.out
    assert "edge:cpu could not be run" in found.err


def split_of(document: dict[str, Any], tensor: str) -> None:
    """Add a split of the model at a tensor."""
    edge, cloud = candidate(document, "edge:cpu"), candidate(document, CLOUD)
    document["candidates"].append(
        {
            **cloud,
            "id": "split:cpu+cloud",
            "placement": "split",
            "class": "hybrid",
            "rank": len(document["candidates"]) + 1,
            "sites": [*edge["sites"], *cloud["sites"]],
            "cut": {
                "tensors": [tensor],
                "bytes": 256,
                "raw": [],
                "tail_ratio": 0.5,
                "difference_ratio": 0.0,
                "wire": None,
                "wire_bytes": None,
                "wire_error_ratio": None,
                "wire_samples": 0,
            },
            "bytes_up": 256,
        }
    )


def test_the_parts_of_a_cascade_are_the_variant_here_and_the_model_there(
    run: Run, saved: Saved
) -> None:
    def add(document: dict[str, Any]) -> None:
        edge, cloud = candidate(document, "edge:cpu"), candidate(document, CLOUD)
        rank = len(document["candidates"])
        tiny = {**edge, "id": "edge:cpu~tiny", "variant": "tiny.onnx", "rank": rank + 1}
        cascade = {
            **cloud,
            "id": "cascade:cpu~tiny+cloud",
            "placement": "cascade",
            "class": "hybrid",
            "variant": "tiny.onnx",
            "rank": rank + 2,
            "sites": [*edge["sites"], *cloud["sites"]],
        }
        document["candidates"] += [tiny, cascade]

    saved(edit=add)
    document = json.loads(verify(run, "--format", "json").out)
    assert candidate(document, "cascade:cpu~tiny+cloud")["reason"] == (
        f"it is a mixture: its parts run by themselves, edge:cpu~tiny and {CLOUD}"
    )


def test_a_split_runs_its_head_here_and_its_tail_on_the_server(run: Run, saved: Saved) -> None:
    saved()
    source = open_to_split("model.onnx")
    tensor = single_tensor_points(source.graph)[1]
    saved(edit=lambda document: split_of(document, tensor))
    contract = write_split(source, cut_at(source, [[tensor]]), 1, "parts")
    tail = Path("parts") / contract.parts[1].files[0][0]
    with serving(model=Path("model.onnx"), tail=tail) as url:
        unnamed = verify(run, "--endpoint", url)
        found = verify(run, "--endpoint", url, "--tail-model", "tail", "--format", "json")
    assert "the server is not said to have the tail: --tail-model NAME" in unnamed.out
    check_held(found)
    split = candidate(json.loads(found.out), "split:cpu+cloud")
    assert split["runs"] >= 30
    assert split["quantiles"][0]["outcome"] == "within"
    assert [one["what"] for one in split["stages"]] == ["head", "tail with its way"]
    assert "differ from the model's by at most 0 of" in split["notes"][0]
    assert "the server's answer differs from the model's here by at most 0 of" in split["notes"][1]


def test_a_split_sends_what_crosses_in_the_format_that_was_recommended(
    run: Run, saved: Saved
) -> None:
    saved()
    tensor = single_tensor_points(open_to_split("model.onnx").graph)[1]

    def narrowed(document: dict[str, Any]) -> None:
        split_of(document, tensor)
        found = candidate(document, "split:cpu+cloud")
        found["cut"].update(wire="int8", wire_bytes=68, wire_error_ratio=0.01, wire_samples=1)

    words = ("--cut", tensor, "--wire", "int8", "--to", "parts", "--threads", "1")
    assert run("split", "model.onnx", *words).code == 0
    tail = next(Path("parts", "repository").rglob("*.onnx"))
    saved(edit=narrowed)
    with serving(model=Path("model.onnx"), tail=tail) as url:
        there = verify(run, "--endpoint", url, "--tail-model", "tail", "--format", "json")
        check_held(there)
    here = verify(run, "--local-tail", "--format", "json")
    check_held(here)
    for found in (there, here):
        split = candidate(json.loads(found.out), "split:cpu+cloud")
        assert split["runs"] >= 30
        assert "what crosses is sent as int8" in split["notes"]


def test_a_split_with_its_tail_here_is_not_compared(run: Run, saved: Saved) -> None:
    saved()
    tensor = single_tensor_points(open_to_split("model.onnx").graph)[0]
    saved(edit=lambda document: split_of(document, tensor))
    found = verify(run, "--local-tail", "--format", "json")
    check_held(found)
    document = json.loads(found.out)
    split = candidate(document, "split:cpu+cloud")
    assert split["outcome"] == "not_judged"
    assert split["reason"] == "the tail ran here, without the network"
    assert document["best"] == "edge:cpu"


def test_a_cut_that_does_not_fit_the_model_is_3(run: Run, saved: Saved) -> None:
    saved(edit=lambda document: split_of(document, "nothing"))
    found = verify(run, "--local-tail")
    assert found.code == 3
    assert "error: answer.json: split:cpu+cloud: " in found.err
    assert "nothing" in found.err


def test_another_model_with_other_inputs_is_told_as_another_model(
    run: Run, saved: Saved, tmp_path: Path
) -> None:
    saved()
    models.mlp(str(tmp_path / "other.onnx"), width=32, layers=1)
    found = verify(run, "--model", "other.onnx")
    assert found.code == 3
    assert "other.onnx is not the model of answer.json" in found.err


def test_a_machine_that_cannot_be_the_device_is_told(run: Run, saved: Saved) -> None:
    other = "rpi5" if platform.machine() == "x86_64" else "x86-n200"

    def on_another(document: dict[str, Any]) -> None:
        for one in document["candidates"]:
            for site in one["sites"][:1]:
                site["name"] = other if site["tier"] == 0 else site["name"]

    saved(edit=on_another)
    found = verify(run, "--here")
    assert f"is no {other}: " in " ".join(found.err.split())
    assert "PLC621" in found.err


def test_what_was_edited_to_nonsense_is_3(run: Run, saved: Saved) -> None:
    saved()
    kept = Path("answer.json").read_text()

    def edited(change: Callable[[dict[str, Any]], None]) -> str:
        document = json.loads(kept)
        change(document)
        Path("answer.json").write_text(json.dumps(document))
        found = verify(run)
        assert found.code == 3, found.out
        return found.err

    def edge(document: dict[str, Any]) -> Any:
        return candidate(document, "edge:cpu")

    def set_site(key: str, value: str) -> Callable[[dict[str, Any]], None]:
        return lambda document: edge(document)["sites"][0].update({key: value})

    def set_target(**values: float) -> Callable[[dict[str, Any]], None]:
        return lambda document: edge(document)["targets"][0].update(values)

    assert "answer.json: edge:cpu: unknown execution provider" in edited(set_site("ep", "../x"))
    assert "answer.json: edge:cpu: 1000000 threads" in edited(
        set_site("options", "1000000 threads")
    )
    assert "low_s 3.0 above high_s 2.0" in edited(set_target(low_s=3.0, high_s=2.0))
    assert "low_s of the target p50 is -1.0" in edited(set_target(low_s=-1.0))
    assert "latency_s.p50 is -0.5" in edited(lambda d: edge(d)["latency_s"].update(p50=-0.5))
    assert "'edge:cpu' is listed twice" in edited(lambda d: d["candidates"].append(edge(d)))
    assert "answer.json: model: " in edited(
        lambda d: d["model"]["inputs"][0].update(shape=[1, 3, 4, 4])
    )
