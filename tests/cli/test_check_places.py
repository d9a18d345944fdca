"""``placer check``: a word of the place that is filled in later leaves it open, beside others."""

from __future__ import annotations

import json

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import EDGE_LABEL, manifest, project

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
EDGE = "{key: node-role.kubernetes.io/edge, operator: Exists}"
LATER = "{{ .Values.x }}"
LINE = {"device": gate_project.EDGE}
COMPOSE = (
    "services:\n  counter:\n    image: registry/counter:1\n    command: --model model.onnx\n"
    "    mem_limit: 512m\n    deploy: {placement: {constraints: ["
)


def affinity(terms: str) -> str:
    """A pod whose labels lead to a site, with terms of node affinity."""
    way = "{nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
    return beside(f"affinity: {way}{terms}}}}}}}")


def beside(line: str) -> str:
    """A pod whose labels lead to a site, with a line beside them."""
    return manifest(f"{EDGE_LABEL}\n      {line}")


def checked(run: Run, make: Make, text: str, **changes: object) -> dict[str, str]:
    make(text, project_file=project(**changes))
    result = run("check", "deploy", *OPTIONS)
    assert result.out, result.err
    return {one["rule"]: one["outcome"] for one in json.loads(result.out)["findings"]}


@pytest.mark.parametrize(
    "text",
    [
        manifest(f'{EDGE_LABEL}\n        topology.kubernetes.io/region: "{LATER}"'),
        manifest(f"{EDGE_LABEL}\n        topology.kubernetes.io/region: {LATER}"),
        manifest(f"{EDGE_LABEL}\n        ${{KEY}}: a"),
        manifest(f"{EDGE_LABEL}\n        {LATER}: a"),
        manifest(f"{EDGE_LABEL}\n        <<: {LATER}"),
        beside("nodeName: ${NODE}"),
        beside("os: {name: __OS__}"),
        beside(f"affinity: {LATER}"),
        beside("affinity: {nodeAffinity: '${A}'}"),
        affinity("'${TERMS}'"),
        affinity("['${TERM}']"),
        affinity("[{matchExpressions: '${E}'}]"),
        affinity("[{matchFields: ['${E}']}]"),
        affinity("[{matchExpressions: [{key: '${K}', operator: Exists}]}]"),
        affinity("[{matchExpressions: [{key: zone, operator: '${O}', values: [a]}]}]"),
        affinity("[{matchExpressions: [{key: zone, operator: '@O@', values: [a]}]}]"),
        affinity("[{matchExpressions: [{key: zone, operator: In, values: '${V}'}]}]"),
        affinity("[{matchExpressions: [{key: zone, operator: In, values: [a, '${V}']}]}]"),
        affinity(
            "[{matchExpressions: [{key: zone, operator: In, values: [a]}]},"
            " {matchExpressions: [{key: '${K}', operator: In, values: [b]}]}]"
        ),
        beside("nodeName: line-1").replace(f"\n        {EDGE_LABEL}", ' "${LABELS}"'),
        beside("nodeName: line-1").replace(f"\n        {EDGE_LABEL}", f" {LATER}"),
    ],
)
def test_a_place_that_is_filled_in_later_in_part_is_not_known(
    run: Run, make: Make, text: str
) -> None:
    assert checked(run, make, text) == {"PLC701": "inconclusive"}


@pytest.mark.parametrize(
    ("constraint", "rules"),
    [
        ("node.labels.zone == a", set()),
        ("${C}", {"PLC701"}),
        ("node.labels.zone == ${Z}", {"PLC701"}),
        ("node.labels.${K} == a", {"PLC701"}),
        ("node.hostname == ${H}", {"PLC701"}),
    ],
)
def test_a_constraint_of_compose_that_is_filled_in_later_is_not_known(
    run: Run, make: Make, constraint: str, rules: set[str]
) -> None:
    sites = {"line": {**LINE, "match": [{"labels": {"edge": "*"}}]}}
    text = f"{COMPOSE}node.labels.edge == yes, '{constraint}']}}}}\n"
    assert checked(run, make, text, sites=sites).keys() & {"PLC701"} == rules


@pytest.mark.parametrize(
    "text",
    [
        affinity(f"[{{matchExpressions: [{EDGE}]}}]"),
        affinity("[{matchExpressions: [{key: zone, operator: NotIn, values: ['${Z}']}]}]"),
        affinity("[{matchExpressions: [{key: '${Z}', operator: DoesNotExist}]}]"),
        beside("affinity: {podAffinity: '${P}'}"),
        beside("tolerations: ['${T}']"),
    ],
)
def test_what_leads_to_no_other_site_leaves_the_place_alone(
    run: Run, make: Make, text: str
) -> None:
    assert checked(run, make, text) == {}


@pytest.mark.parametrize(
    ("match", "rules"),
    [
        ({"path": "deploy/*"}, set()),
        ({"labels": {"node-role.kubernetes.io/edge": "*", "zone": "${Z}"}}, set()),
        ({"labels": {"node-role.kubernetes.io/edge": "*", "zone": "*"}}, {"PLC701"}),
    ],
)
def test_an_entry_may_name_it_to_the_letter_or_the_file(
    run: Run, make: Make, match: dict[str, object], rules: set[str]
) -> None:
    text = manifest(f"{EDGE_LABEL}\n        zone: ${{Z}}")
    found = checked(run, make, text, sites={"line": {**LINE, "match": [match]}})
    assert set(found) == rules


def test_the_finding_points_at_what_is_filled_in(run: Run, make: Make) -> None:
    make(manifest(f"{EDGE_LABEL}\n        zone: ${{Z}}"))
    (found,) = json.loads(run("check", "deploy", *OPTIONS).out)["findings"]
    assert found["message"].endswith("zone=${Z}: ${Z} is not rendered")
    assert found["place"]["line"] == 12


REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
IN_EU = {
    **LINE,
    "jurisdiction": "EU",
    "match": [{"labels": {"node-role.kubernetes.io/edge": "*"}}],
}


def in_eu(run: Run, make: Make, text: str, *matches: object) -> list[dict[str, object]]:
    """Return what is found where the site at the edge is in the EU."""
    site = {**IN_EU, "match": [*IN_EU["match"], *matches]}
    make(text, project_file=project(sites={"line": site}))
    found: list[dict[str, object]] = json.loads(run("check", "deploy", *OPTIONS).out)["findings"]
    return found


@pytest.mark.parametrize(
    "line",
    [
        f"{REGION}: us-east-1",
        f"{REGION}: US-East-1",
        f"{ZONE}: us-east-1a",
        f"{ZONE}: us-central1-a",
        f"{ZONE}: eastus-1",
        "failure-domain.beta.kubernetes.io/region: eastus2",
        f"{REGION}: eu-west-2",
    ],
)
def test_a_region_of_another_law_contradicts_the_other_words(
    run: Run, make: Make, line: str
) -> None:
    found = in_eu(run, make, manifest(f"{EDGE_LABEL}\n        {line}"))
    (one,) = [one for one in found if one["rule"] == "PLC701"]
    assert one["outcome"] == "inconclusive"
    assert "which is in EU" in str(one["message"])
    place = one["place"]
    assert isinstance(place, dict)
    assert place["line"] == 12


def test_one_of_the_regions_of_an_affinity_contradicts_as_well(run: Run, make: Make) -> None:
    label = f"{{key: {REGION}, operator: In, values: [eu-north-1, us-east-1]}}"
    text = affinity(f"[{{matchExpressions: [{label}]}}]")
    assert [one["rule"] for one in in_eu(run, make, text)] == ["PLC701"]


@pytest.mark.parametrize(
    "line", [f"{REGION}: eu-north-1", f"{ZONE}: eu-north-1a", f"{REGION}: hall-7", "disk: ssd"]
)
def test_a_region_of_the_same_law_and_other_words_contradict_nothing(
    run: Run, make: Make, line: str
) -> None:
    found = in_eu(run, make, manifest(f"{EDGE_LABEL}\n        {line}"))
    assert [one["rule"] for one in found] == []


@pytest.mark.parametrize("match", [{"labels": {REGION: "us-east-1"}}, {"path": "deploy/*"}])
def test_what_the_project_says_to_the_letter_contradicts_nothing(
    run: Run, make: Make, match: object
) -> None:
    found = in_eu(run, make, manifest(f"{EDGE_LABEL}\n        {REGION}: us-east-1"), match)
    assert [one["rule"] for one in found] == []


def test_a_site_that_states_no_law_is_not_asked(run: Run, make: Make) -> None:
    text = manifest(f"{EDGE_LABEL}\n        {REGION}: us-east-1")
    site = {**LINE, "match": IN_EU["match"]}
    assert "PLC701" not in checked(run, make, text, sites={"line": site})
