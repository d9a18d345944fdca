"""What a manifest leaves to be filled in, or mistypes, is never a pass: nobody knows what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import project, workload

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
FREE = {"class": "public"}
SPECIAL = {"class": "special", "regions": ["EU"], "may_leave": "output"}
TO_CLOUD = {"up": "FROM /messages/modules/counter/outputs/* INTO $upstream"}
LINE = {"line": {"device": gate_project.EDGE, "match": [{"group": "line-*"}]}}
SITES = project(sites=LINE)


def edge(hub: object = None, **settings: object) -> str:
    """A deployment of IoT Edge with one module that names the model, and a hub."""
    options = {"HostConfig": {"Memory": 536870912}}
    module = {
        "settings": {"image": "counter@sha256:" + "0" * 64, "createOptions": options, **settings},
        "env": {"MODEL_PATH": {"value": "/models/model.onnx"}},
    }
    agent = {"properties.desired": {"modules": {"counter": module}}}
    content = {"$edgeAgent": agent, **({} if hub is None else {"$edgeHub": hub})}
    return json.dumps({"content": {"modulesContent": content}, "targetCondition": "line-3"})


def routes(routes: object) -> dict[str, object]:
    """A hub with routes."""
    return {"properties.desired": {"routes": routes}}


def checked(run: Run, code: int) -> dict[str, Any]:
    """Check, and return the report."""
    result = run("check", "deploy", *OPTIONS)
    assert result.code == code, result.out + result.err
    report: dict[str, Any] = json.loads(result.out)
    return report


@pytest.mark.parametrize("data", [FREE, SPECIAL, {"class": "personal", "regions": ["EU"]}])
@pytest.mark.parametrize(
    ("hub", "to"),
    [
        ("$HUB", "$HUB"),
        ({"properties.desired": "$HUB"}, "$HUB"),
        (routes("${ROUTES}"), "${ROUTES}"),
        (routes({"up": "${ROUTE}"}), "${ROUTE}"),
        (routes({"up": "$ROUTE"}), "$ROUTE"),
        (routes({"up": "FROM /messages/modules/counter/* INTO ${SINK}"}), "${SINK}"),
    ],
)
def test_a_route_that_is_filled_in_later_is_inconclusive(
    run: Run, make: Make, data: dict[str, object], hub: object, to: str
) -> None:
    make(edge(hub), project_file=SITES, workload_file=workload(data=data))
    report = checked(run, 5)
    assert [one["outcome"] for one in report["checked"]] == ["inconclusive"]
    (finding,) = [one for one in report["findings"] if one["rule"] == "PLC704"]
    assert to in finding["message"]
    assert f"to: '{to}'" in finding["remedy"]


def test_a_hub_without_unknown_routes_passes(run: Run, make: Make) -> None:
    make(edge(routes({})), project_file=SITES, workload_file=workload(data=SPECIAL))
    assert [one["outcome"] for one in checked(run, 0)["checked"]] == ["pass"]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"to": "$ROUTE", "carries": "answer", "jurisdiction": "DE"}, 0),
        ({"to": "*", "carries": "answer", "jurisdiction": "DE"}, 5),
        ({"to": "$ROUTE", "carries": "request"}, 1),
    ],
)
def test_a_way_that_the_project_names_to_the_letter_is_known(
    run: Run, make: Make, entry: dict[str, object], code: int
) -> None:
    known = project(sites=LINE, egress=[entry])
    make(edge(routes({"up": "$ROUTE"})), project_file=known, workload_file=workload(data=SPECIAL))
    checked(run, code)


@pytest.mark.parametrize(
    "hub",
    [
        routes({"up": {"Route": TO_CLOUD["up"]}}),
        routes([TO_CLOUD["up"]]),
        {"properties.desired": {"Routes": TO_CLOUD}},
        {"properties.desired": {"route": TO_CLOUD}},
    ],
)
def test_a_hub_that_is_mistyped_fails_each_module(run: Run, make: Make, hub: object) -> None:
    make(edge(hub), project_file=SITES, workload_file=workload(data=FREE))
    report = checked(run, 1)
    assert [one["outcome"] for one in report["checked"]] == ["fail"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("modulesContent", "moduleContent"),
        ("$edgeHub", "$edgehub"),
        ("properties.desired", "properties.desird"),
    ],
)
def test_a_deployment_of_modules_that_is_mistyped_fails(
    run: Run, make: Make, before: str, after: str
) -> None:
    text = edge(routes(TO_CLOUD)).replace(before, after)
    make(text, gate_project.manifest(), project_file=project(), workload_file=workload(data=FREE))
    assert "PLC710" in [one["rule"] for one in checked(run, 1)["findings"]]


def test_an_agent_that_is_mistyped_fails_beside_what_passes(run: Run, make: Make) -> None:
    make(gate_project.manifest(), edge().replace("$edgeAgent", "$edgeagent"))
    report = checked(run, 1)
    assert [one["outcome"] for one in report["checked"]] == ["pass"]
    assert [one["rule"] for one in report["findings"] if one["outcome"] == "fail"] == ["PLC710"]


def test_modules_that_are_filled_in_later_are_no_pass_of_the_others(run: Run, make: Make) -> None:
    agent = {"$edgeAgent": {"properties.desired": {"modules": "$MODULES"}}}
    make(gate_project.manifest(), json.dumps({"modulesContent": agent}))
    report = checked(run, 1)
    assert [one["rule"] for one in report["findings"] if one["outcome"] == "fail"] == ["PLC712"]


def test_options_that_are_filled_in_later_may_run_any_model(run: Run, make: Make) -> None:
    module = {"settings": {"image": "own:1", "createOptions": "${OPTIONS}"}}
    agent = {"$edgeAgent": {"properties.desired": {"modules": {"own": module}}}}
    make(gate_project.manifest(), json.dumps({"modulesContent": agent}))
    report = checked(run, 5)
    assert {one["id"]: one["outcome"] for one in report["checked"]} == {
        "deployment/counter": "pass",
        "module/own": "inconclusive",
    }


RECIPE = """\
RecipeFormatVersion: '2020-01-25'
ComponentName: counter
ComponentVersion: 1.0.0
Manifests:
  - Platform: {os: linux, architecture: aarch64}
    Artifacts:
      - Uri: s3://models/model.onnx
"""


def component(**more: object) -> str:
    """A deployment of Greengrass that runs the recipe."""
    target = "arn:aws:iot:eu-north-1:123456789012:thinggroup/line-3"
    limits = {"systemResourceLimits": {"memory": 524288}}
    use = {"componentVersion": "1.0.0", "runWith": limits, **more}
    return json.dumps({"targetArn": target, "components": {"counter": use}})


def test_a_component_that_is_all_said_passes(run: Run, make: Make) -> None:
    make(RECIPE, component(), project_file=SITES)
    assert [one["outcome"] for one in checked(run, 0)["checked"]] == ["pass"]


@pytest.mark.parametrize(
    ("recipe", "use"),
    [
        (RECIPE, component(configurationUpdate={"merge": "{{m}}"})),
        (RECIPE + "ComponentConfiguration: {DefaultConfiguration: '{{ cfg }}'}\n", component()),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_configuration_that_is_filled_in_later_is_inconclusive(
    run: Run, make: Make, recipe: str, use: str, *, named: bool
) -> None:
    deployments = [{"id": "deployment/line-3/*", "workload": "counter"}] if named else []
    make(recipe, use, project_file=project(sites=LINE, deployments=deployments))
    report = checked(run, 5)
    assert [one["outcome"] for one in report["checked"]] == ["inconclusive"]
    assert ("PLC704" if named else "PLC702") in [one["rule"] for one in report["findings"]]


@pytest.mark.parametrize("merge", ["{}", '{"ModelPath": "/m/model.onnx"}'])
def test_a_version_without_a_recipe_among_others_is_not_known(
    run: Run, make: Make, merge: str
) -> None:
    update = {"configurationUpdate": {"merge": merge}}
    make(RECIPE.replace("1.0.0", "2.0.0"), component(**update), project_file=SITES)
    report = checked(run, 5)
    outcomes = {one["id"]: one["outcome"] for one in report["checked"]}
    assert outcomes["deployment/line-3/counter"] == "inconclusive"
    (finding,) = [one for one in report["findings"] if one["rule"] == "PLC702"]
    assert "counter 1.0.0" in finding["message"]


def test_a_component_without_any_recipe_is_left_alone(run: Run, make: Make) -> None:
    other = component().replace('"counter"', '"public"')
    make(RECIPE, component(), other, project_file=SITES)
    report = checked(run, 0)
    assert [one["id"] for one in report["checked"]] == ["deployment/line-3/counter"]


@pytest.mark.parametrize(("before", "after"), [("Artifacts", "Artefacts"), ("Uri", "Url")])
def test_a_recipe_that_is_mistyped_fails_what_deploys_it(
    run: Run, make: Make, before: str, after: str
) -> None:
    deployments = [{"id": "deployment/line-3/*", "workload": "counter"}]
    make(
        RECIPE.replace(before, after),
        component(),
        project_file=project(sites=LINE, deployments=deployments),
    )
    report = checked(run, 1)
    assert [one["outcome"] for one in report["checked"]] == ["fail"]
    (finding,) = [one for one in report["findings"] if one["rule"] == "PLC710"]
    assert finding["deployed"] == "deployment/line-3/counter"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("kind: Deployment", "kind: Deploymnet"),
        ("kind: Deployment", "Kind: Deployment"),
        ("kind: Deployment", 'kind: "Deployment "'),
    ],
)
def test_an_object_that_is_mistyped_is_no_pass_of_the_others(
    run: Run, make: Make, before: str, after: str
) -> None:
    make(gate_project.manifest(), gate_project.manifest().replace(before, after))
    report = checked(run, 1)
    assert [one["outcome"] for one in report["checked"]] == ["pass"]
    assert [one["rule"] for one in report["findings"] if one["outcome"] == "fail"] == ["PLC710"]


def test_an_annotation_under_a_mistyped_key_fails_its_object(run: Run, make: Make) -> None:
    lost = "  name: counter\n  annotation: {placer/workload: other}\n"
    make(gate_project.manifest().replace("  name: counter\n", lost))
    report = checked(run, 1)
    assert [one["outcome"] for one in report["checked"]] == ["fail"]
    assert "PLC710" in [one["rule"] for one in report["findings"]]


def test_a_way_that_is_filled_in_since_the_base_mends_nothing(run: Run, make: Make) -> None:
    known = edge(routes(TO_CLOUD))
    folder = make(known, project_file=SITES, workload_file=workload(data=SPECIAL))
    gate_project.committed(folder)
    later = known.replace("INTO $upstream", "INTO ${SINK}")
    (folder / "deploy" / "0.yaml").write_text(later, encoding="utf-8")
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD")
    assert json.loads(result.out)["fixed"] == []


def test_a_kind_that_is_mistyped_since_the_base_is_new(run: Run, make: Make) -> None:
    folder = make(gate_project.manifest(), edge(routes({})), project_file=project())
    gate_project.committed(folder)
    mistyped = gate_project.manifest().replace("Deployment", "Deploymnet")
    (folder / "deploy" / "0.yaml").write_text(mistyped, encoding="utf-8")
    result = run("check", "deploy", *OPTIONS, "--base", "HEAD")
    assert result.code == 1
    assert "PLC710" in [one["rule"] for one in json.loads(result.out)["findings"]]


@pytest.mark.parametrize(
    ("attribute", "code"), [("3", 0), ("/3|4/", 0), ("${LINE}", 5), ("/${LINE}|4/", 5)]
)
def test_an_attribute_of_a_platform_that_is_filled_in_later_leaves_the_site_open(
    run: Run, make: Make, attribute: str, code: int
) -> None:
    recipe = RECIPE.replace("aarch64}", f"aarch64, line: '{attribute}'}}")
    make(recipe, component(), project_file=SITES)
    report = checked(run, code)
    assert ("PLC701" in {one["rule"] for one in report["findings"]}) == (code == 5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("compose.yaml", 'services: {db: {image: "postgres:${PG_VERSION:-16}"}}'),
        ("compose.yaml", 'services: {web: {image: "${REGISTRY}/web:1"}}'),
        (
            "deployment.template.json",
            edge().replace("counter@sha256:" + "0" * 64, "${MODULES.camera}").replace("env", "x"),
        ),
        ("pod.yaml", gate_project.manifest().replace("registry", "${REG}").replace("args", "x")),
    ],
)
def test_an_image_alone_is_no_file_of_a_model_whatever_is_filled_in(
    run: Run, make: Make, name: str, text: str
) -> None:
    folder = make(gate_project.manifest())
    (folder / "deploy" / name).write_text(text)
    assert len(checked(run, 0)["not_models"]) == 1
