"""The workloads of the catalogue: what each decides, why, and what changes it, all computed.

Models have random weights and a size that fits the situation. A device with figures in the
catalogue is modelled; for one that must be measured there is recorded evidence, so that no
decision depends on the machine that runs the tests.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

import placer
from placer.core.estimate import Candidate, Flip, Placement, Recommendation
from placer.core.finding import Effect
from placer.core.flips import becomes
from placer.core.rules import RULES
from placer.core.units import parse_percentile
from placer.core.workload import DataClass, Workload
from placer.files import catalogue
from placer.files.catalogue import Kind
from placer.files.evidence import to_statement
from placer.files.workload import WorkloadFile
from placer.onnx_files.reader import read_model
from placer.reports.facts import flip_text
from tests import builders, models

AS_OF = datetime.date(2026, 11, 25)
BEYOND = 1.03
PAGE = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text(encoding="utf-8")
CLOUD = "cloud:aws-g6.xlarge@eu-north-1"
DEVICE_FIRST = "fallback:prefer_device:cpu+aws-g6.xlarge@eu-north-1"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Evidence of the device."""

    site: str
    ep: str
    median_s: float


@dataclass(frozen=True, slots=True)
class Case:
    """A model for a workload, and what comes out."""

    build: Callable[[str], None]
    chosen: str
    rules_out: tuple[str, set[str]]
    """A rival, and the rules that it violates: those and no other."""
    flip: tuple[str, str]
    """(parameter, what the decision becomes)."""
    recorded: Recorded | None = None


def convolutions(size: int, channels: int, layers: int) -> Callable[[str], None]:
    return partial(models.conv_net, size=size, channels=channels, layers=layers)


CASES = {
    "batch-scoring-offline": Case(  # 8 GFLOP: a ResNet-50
        convolutions(224, 32, 10),
        DEVICE_FIRST,
        ("edge:cpu", {"PLC204"}),
        ("throughput", "edge:cpu"),
        Recorded("this-machine", "cpu", 0.012),
    ),
    "camera-line-inspection": Case(
        convolutions(64, 16, 3),
        "edge:cpu",
        (CLOUD, {"PLC201"}),
        ("rate", "unproven"),
        Recorded("this-machine", "cpu", 0.008),
    ),
    "clinic-imaging": Case(  # 100 GFLOP: a segmentation at 512 x 512
        convolutions(512, 64, 6),
        "edge:cpu",
        (CLOUD, {"PLC101"}),
        ("privacy", CLOUD),
        Recorded("this-machine", "cpu", 2.5),
    ),
    "document-ocr-office": Case(  # 800 GFLOP: a page reader of the size of Donut
        convolutions(512, 128, 11), CLOUD, ("edge:cpu", {"PLC203"}), ("rate", "edge:cpu")
    ),
    "drone-lte": Case(  # 5 GFLOP: a small YOLO
        convolutions(192, 32, 9), "edge:qnn", (CLOUD, {"PLC201"}), ("sla.p99", "unproven")
    ),
    "mobile-robot": Case(  # 0.5 GFLOP: a MobileNet v2
        convolutions(96, 32, 4), "edge:cpu", (CLOUD, {"PLC301"}), ("sla.p99", "unproven")
    ),
    "people-counting-shop": Case(  # 1.2 GFLOP: an SSD on MobileNet
        convolutions(96, 32, 8), "edge:cpu", (CLOUD, {"PLC501"}), ("throughput", DEVICE_FIRST)
    ),
    "vehicle-perception": Case(
        convolutions(64, 16, 3),
        "edge:cuda",
        (CLOUD, {"PLC201", "PLC301", "PLC303"}),
        ("sla.p99", "unproven"),
        Recorded("agx-orin-64", "cuda", 0.025),
    ),
    "wake-word-gateway": Case(  # 2 MFLOP
        partial(models.mlp, width=512, layers=4),
        "edge:cpu",
        (CLOUD, {"PLC101"}),
        ("rate", "unproven"),
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A workload with its model and evidence, asked once."""

    case: Case
    file: WorkloadFile
    model: str
    evidence: tuple[str, ...]
    answer: Recommendation


def ask(file: WorkloadFile, model: str, evidence: tuple[str, ...]) -> Recommendation:
    return placer.recommend(model, workload=file, evidence=evidence, measure=False, as_of=AS_OF)


def evidence_file(recorded: Recorded, model: str, folder: Path) -> str:
    summary = read_model(model, shapes={})
    measured = builders.measurement(
        recorded.median_s,
        ep=recorded.ep,
        subjects=summary.subjects,
        input_shapes=tuple((spec.name, spec.shape) for spec in summary.inputs),
    )
    path = folder / "evidence.json"
    path.write_bytes(to_statement(measured, tool="tests", site=recorded.site))
    return str(path)


@pytest.fixture(scope="module", params=CASES)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    name: str = request.param
    case, folder = CASES[name], tmp_path_factory.mktemp(name)
    model = str(folder / "model.onnx")
    case.build(model)
    evidence = () if case.recorded is None else (evidence_file(case.recorded, model, folder),)
    file = placer.load_workload(name)
    return Asked(case, file, model, evidence, ask(file, model, evidence))


def violated_rules(candidate: Candidate) -> set[str]:
    return {found.rule for found in candidate.findings if found.effect is Effect.VIOLATED}


def rival(asked: Asked) -> Candidate:
    (found,) = (one for one in asked.answer.candidates if one.id == asked.case.rules_out[0])
    return found


def pinned_flip(asked: Asked) -> Flip:
    parameter, after = asked.case.flip
    (found,) = (
        flip for flip in asked.answer.flips if flip.parameter == parameter and flip.becomes == after
    )
    return found


def test_every_workload_of_the_catalogue_has_a_case() -> None:
    assert tuple(CASES) == catalogue.list_names(Kind.WORKLOADS)


def test_is_decided(asked: Asked) -> None:
    decision = asked.answer.decision
    assert (decision.candidate, decision.feasible) == (asked.case.chosen, True), decision.reason


def test_rules_out_the_other_side_for_its_reason(asked: Asked) -> None:
    assert violated_rules(rival(asked)) == asked.case.rules_out[1]
    assert rival(asked).why_not


def test_one_parameter_changes_it_to_what_the_answer_says(asked: Asked) -> None:
    flip = pinned_flip(asked)
    file = replace(asked.file, workload=changed(asked.file.workload, flip))
    again = ask(file, asked.model, asked.evidence)
    assert becomes(again.candidates[0]) == flip.becomes
    assert again.decision.candidate != asked.case.chosen or again.decision.feasible is None


def changed(workload: Workload, flip: Flip) -> Workload:
    """Return the workload with one parameter a little beyond the flip."""
    if flip.parameter == "privacy":
        return replace(workload, data_class=DataClass(str(flip.at)))
    at, now = float(flip.at), float(flip.now)
    value = at * BEYOND if at > now else at / BEYOND
    kind, _, which = flip.parameter.partition(".")
    match kind:
        case "rate":
            return replace(workload, rate_hz=value)
        case "throughput":
            return replace(workload, throughput_hz=value)
        case "sla":
            targets = tuple(
                replace(one, limit_s=value) if one.percentile == parse_percentile(which) else one
                for one in workload.targets
            )
            return replace(workload, targets=targets)
    raise AssertionError(flip.parameter)


def test_the_page_tells_it(asked: Asked) -> None:
    row = page_row(asked)
    assert row in PAGE.splitlines(), f"docs/workloads.md needs this line:\n{row}"


def page_row(asked: Asked) -> str:
    where = {
        Placement.EDGE: "the device",
        Placement.CLOUD: "the cloud",
        Placement.FALLBACK: "the device, the cloud for the rest",
    }[asked.answer.decision.placement]
    titles = {rule.id: rule.title for rule in RULES}
    other = "cloud" if asked.case.rules_out[0] == CLOUD else "device"
    reasons = ", ".join(f"{titles[rule]} ({rule})" for rule in sorted(violated_rules(rival(asked))))
    name, title = asked.file.name, asked.file.document.data["title"]
    return (
        f"| [{name}](../profiles/workloads/{name}.yaml) | {title} | {where} | {other}: {reasons} "
        f"| {flip_text(pinned_flip(asked))} |"
    ).replace("\u00a0", " ")


def test_the_page_has_no_other_workload() -> None:
    assert tuple(names_on_the_page()) == catalogue.list_names(Kind.WORKLOADS)


def names_on_the_page() -> Iterator[str]:
    for line in PAGE.splitlines():
        _, found, rest = line.partition("](../profiles/workloads/")
        if found and line.startswith("|"):
            yield rest.partition(".yaml")[0]


def test_a_device_without_figures_is_unproven_until_it_is_measured(tmp_path: Path) -> None:
    model = str(tmp_path / "model.onnx")
    CASES["vehicle-perception"].build(model)
    answer = ask(placer.load_workload("vehicle-perception"), model, ())
    assert answer.decision.feasible is None
    assert "no figures of the compute rate of agx-orin-64 are known" in answer.decision.reason
    assert answer.next_measurement is not None
    assert "--site agx-orin-64" in answer.next_measurement.command
