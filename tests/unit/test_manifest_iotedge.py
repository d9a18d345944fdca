from __future__ import annotations

import io
import json

import pytest

from placer.core.deployment import Manifests
from placer.manifests.containers import bind_of
from placer.manifests.embedded import json_in
from placer.manifests.nodes import Field
from placer.manifests.parsing import parse_yaml
from placer.manifests.reading import read_manifests
from tests.manifest_summary import at


def field(value: object) -> Field:
    (document,) = parse_yaml(json.dumps({"it": value}), "x.json").documents
    return Field(document, document.root).at("it")


def read(value: object) -> Manifests:
    return read_manifests(["-"], stdin=io.BytesIO(json.dumps(value).encode()))


def edge(routes: dict[str, object]) -> Manifests:
    modules = {"ocr": {"settings": {"image": "ocr:1"}}}
    return read(
        {
            "modulesContent": {
                "$edgeAgent": {"properties.desired": {"modules": modules}},
                "$edgeHub": {"properties.desired": {"routes": routes}},
            }
        }
    )


def test_json_in_a_string_stands_where_the_string_stands() -> None:
    said = json_in([field('{"a": {"b": [1, "1", true, null]}}')])
    assert said is not None
    items = list(said.at("a", "b").items())
    assert [one.kind() for one in items] == ["number", "text", "truth value", "null"]
    assert at(items[0].place()) == at(field('{"a": {"b": [1, "1", true, null]}}').place())


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 200 + "1" + "}" * 200])
def test_a_string_that_holds_no_json_is_none(text: str) -> None:
    assert json_in([field(text)]) is None


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ("/srv/models:/models:ro", "/srv/models", "/models"),
        ("${DIR:-/opt}/m.onnx:/m.onnx", "${DIR:-/opt}/m.onnx", "/m.onnx"),
        ("C:\\models:C:\\in:ro", "C:\\models", "C:\\in"),
        ("weights:/w", "weights", "/w"),
    ],
)
def test_a_bind_has_source_and_target(text: str, source: str, target: str) -> None:
    stated = field(text).stated()
    assert stated is not None
    bind = bind_of(stated)
    assert bind is not None
    assert (bind[0].value, bind[1]) == (source, target)


@pytest.mark.parametrize(
    "route",
    [
        "FROM /messages/* INTO $upstream",
        "FROM /* INTO $upstream",
        "FROM /messages/modules/* INTO $upstream",
        "FROM /messages/modules/ocr INTO $upstream",
        "FROM /messages/modules/o*/outputs/* INTO $upstream",
        "from /messages/modules/ocr/outputs/text where $body.x = 'INTO' into $upstream",
        {"route": "FROM /messages/modules/ocr/* INTO $upstream", "priority": 1},
        "FROM /messages/modules/${WHO}/outputs/* INTO $upstream",
    ],
)
def test_a_route_to_the_cloud_is_egress_of_each_module_that_it_names(route: object) -> None:
    found = edge({"up": route})
    assert [way.to.value for way in found.deployed[0].egress] == ["$upstream"]
    assert found.defects == ()


@pytest.mark.parametrize(
    "route",
    [
        "FROM /messages/modules/other/outputs/* INTO $upstream",
        "FROM /twinChangeNotifications INTO $upstream",
        'FROM /messages/* INTO BrokeredEndpoint("/modules/ocr/inputs/in")',
    ],
)
def test_a_route_within_the_device_or_of_another_module_is_none(route: str) -> None:
    found = edge({"up": route})
    assert found.deployed[0].egress == ()
    assert found.defects == ()


TO_RELAY = 'FROM /messages/modules/ocr/outputs/* INTO BrokeredEndpoint("/modules/relay/inputs/a")'
RELAY = "FROM /messages/modules/relay/* INTO "


@pytest.mark.parametrize(
    ("routes", "through"),
    [
        ((TO_RELAY, f"{RELAY}$upstream"), ("relay",)),
        ((f"{RELAY}$upstream", TO_RELAY.replace("ocr/outputs/*", "*")), ("relay",)),
        (
            (
                TO_RELAY,
                f'{RELAY}BrokeredEndpoint("/modules/last/inputs/a")',
                "FROM /messages/modules/l*/outputs/x INTO $upstream",
            ),
            ("relay", "last"),
        ),
        ((TO_RELAY.replace("/relay/", "/${NEXT}/"), f"{RELAY}$upstream"), ("${NEXT}",)),
    ],
)
def test_a_way_to_the_cloud_through_other_modules_is_one(
    routes: tuple[str, ...], through: tuple[str, ...]
) -> None:
    found = edge({str(number): route for number, route in enumerate(routes)})
    (way,) = found.deployed[0].egress
    assert (way.to.value, way.through) == ("$upstream", through)


@pytest.mark.parametrize(
    "routes",
    [
        (TO_RELAY,),
        (TO_RELAY, f'{RELAY}BrokeredEndpoint("/modules/ocr/inputs/back")'),
        (TO_RELAY, "FROM /messages/modules/other/* INTO $upstream"),
    ],
)
def test_modules_that_send_nothing_on_are_no_way_to_the_cloud(routes: tuple[str, ...]) -> None:
    found = edge({str(number): route for number, route in enumerate(routes)})
    assert found.deployed[0].egress == ()


def test_a_route_without_a_known_end_is_a_defect() -> None:
    (defect,) = edge({"up": "FROM /messages/* INTO upstream"}).defects
    assert defect.kind == "bad_value"


@pytest.mark.parametrize("key", ["hostConfig", "HOSTCONFIG"])
def test_docker_reads_its_options_whatever_their_case(key: str) -> None:
    found = read(
        {
            "modulesContent": {
                "$edgeAgent": {
                    "properties.desired.modules.a": {
                        "settings": {"createOptions": json.dumps({key: {"memory": 5}})}
                    }
                }
            }
        }
    )
    assert found.defects == ()
    memory = found.deployed[0].resources.memory_limit_bytes
    assert memory is not None
    assert memory.value == 5
