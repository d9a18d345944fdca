from __future__ import annotations

import io
import json

import pytest

from placer.core.deployment import Manifests
from placer.core.gate_rules.rule import owned
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


@pytest.mark.parametrize(
    "source", ["/messages/modules/OCR/outputs/*", "/Messages/Modules/Ocr/*", "/messages/modules/O*"]
)
def test_a_route_names_a_module_whatever_its_case(source: str) -> None:
    (deployed,) = edge({"up": f"FROM {source} INTO $upstream"}).deployed
    assert [one.to.value for one in deployed.egress] == ["$upstream"]


def test_a_route_from_module_to_module_names_them_whatever_their_case() -> None:
    routes: dict[str, object] = {
        "on": 'FROM /messages/modules/OCR/* INTO BrokeredEndpoint("/modules/Sink/inputs/a")',
        "up": "FROM /messages/modules/SINK/outputs/* INTO $upstream",
    }
    (deployed,) = edge(routes).deployed
    assert [one.to.value for one in deployed.egress] == ["$upstream"]


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


def deployment(content: dict[str, object], key: str = "modulesContent") -> Manifests:
    """A deployment with one module, whose content is changed."""
    modules = {"ocr": {"settings": {"image": "ocr:1"}}}
    agent = {"$edgeAgent": {"properties.desired": {"modules": modules}}}
    return read({key: {**agent, **content}})


def hub(desired: object) -> Manifests:
    """A deployment whose hub is given these desired properties."""
    return deployment({"$edgeHub": {"properties.desired": desired}})


@pytest.mark.parametrize(
    ("route", "to"),
    [
        ("${ROUTE}", "${ROUTE}"),
        ("$ROUTE", "$ROUTE"),
        ("{{ .Values.route }}", "{{ .Values.route }}"),
        ({"route": "${ROUTE}"}, "${ROUTE}"),
        ("FROM /messages/modules/ocr/outputs/* INTO ${SINK}", "${SINK}"),
        ("FROM /messages/* WHERE $body.x > 1 INTO {{ .Values.sink }}", "{{ .Values.sink }}"),
        ("FROM ${SOURCE} INTO $SINK", "$SINK"),
        ('FROM /messages/* INTO BrokeredEndpoint("${END}")', "${END}"),
        ("FROM /messages/* ${REST}", "${REST}"),
    ],
)
def test_a_route_that_is_filled_in_later_is_a_way_that_is_not_known(route: object, to: str) -> None:
    found = edge({"up": route})
    (way,) = found.deployed[0].egress
    assert (way.to.value, way.is_open) == (to, True)
    assert found.defects == ()


def test_a_route_of_another_module_that_is_filled_in_later_is_no_way_of_this_one() -> None:
    found = edge({"up": "FROM /messages/modules/other/outputs/* INTO ${SINK}"})
    assert found.deployed[0].egress == ()


OF_DEVICES = "NOT IS_DEFINED($connectionModuleId)"


@pytest.mark.parametrize(
    ("condition", "ways"),
    [
        (OF_DEVICES, 0),
        (OF_DEVICES.lower(), 0),
        (f"{OF_DEVICES} AND $body.x > 1", 0),
        (f"{OF_DEVICES} OR $body.x > 1", 1),
        (f"{OF_DEVICES} AND $body.x > 1 OR $body.y > 1", 1),
        ("IS_DEFINED($connectionModuleId)", 1),
        ("$body.x > 1", 1),
    ],
)
@pytest.mark.parametrize("sink", ["$upstream", "${SINK}"])
def test_what_devices_send_is_no_way_of_a_module(condition: str, ways: int, sink: str) -> None:
    found = edge({"up": f"FROM /messages/* WHERE {condition} INTO {sink}"})
    assert len(found.deployed[0].egress) == ways
    assert found.defects == ()


@pytest.mark.parametrize(
    "source", ["${SOURCE}", "$SOURCE", "${SOURCE}/outputs/*", "/messages/${WHO}/outputs/*"]
)
def test_a_source_that_is_filled_in_later_may_be_any_module(source: str) -> None:
    (way,) = edge({"up": f"FROM {source} INTO $upstream"}).deployed[0].egress
    assert (way.to.value, way.is_open) == ("$upstream", False)


def test_a_way_through_a_module_whose_route_is_not_known_is_not_known() -> None:
    (way,) = edge({"0": TO_RELAY, "1": f"{RELAY}${{SINK}}"}).deployed[0].egress
    assert (way.to.value, way.through, way.is_open) == ("${SINK}", ("relay",), True)


def test_a_sure_way_through_others_counts_beside_one_that_is_not_known() -> None:
    own = "FROM /messages/modules/ocr/outputs/* INTO ${SINK}"
    ways = edge({"0": own, "1": TO_RELAY, "2": f"{RELAY}$upstream"}).deployed[0].egress
    assert [(way.to.value, way.is_open) for way in ways] == [
        ("${SINK}", True),
        ("$upstream", False),
    ]


@pytest.mark.parametrize(
    "content",
    [
        {"$edgeHub": "$HUB"},
        {"$edgeHub": {"properties.desired": "$HUB"}},
        {"$edgeHub": {"properties.desired": {"routes": "$HUB"}}},
        {"$edgeHub": {"properties": {"desired": {"routes": "$HUB"}}}},
        {"$edgeHub": {"properties.desired.routes": "$HUB"}},
        {"$edgeHub": {"properties.desired.routes.up": "$HUB"}},
    ],
)
def test_a_hub_that_is_filled_in_later_is_a_way_that_is_not_known(
    content: dict[str, object],
) -> None:
    found = deployment(content)
    (way,) = found.deployed[0].egress
    assert (way.to.value, way.is_open) == ("$HUB", True)
    assert found.defects == ()


UP = {"up": "FROM /messages/* INTO $upstream"}


@pytest.mark.parametrize(
    ("content", "subject"),
    [
        ({"$edgeHub": {"properties.desired": {"Routes": UP}}}, "Routes"),
        ({"$edgeHub": {"properties.desired": {"route": UP}}}, "route"),
        ({"$edgeHub": {"properties.desired.route.up": UP["up"]}}, "route"),
        ({"$edgeHub": {"properties.desired": {"routes": {"up": {"Route": UP["up"]}}}}}, "Route"),
        ({"$edgeHub": {"properties.desird": {"routes": UP}}}, "properties.desird"),
        ({"$edgehub": {"properties.desired": {"routes": UP}}}, "$edgehub"),
        ({"$edgeHub": {"properties.desired": {"routes": [UP["up"]]}}}, "routes"),
        ({"$edgeHub": {"properties.desired": {"routes": {"up": 5}}}}, "up"),
        ({"$edgeHub": {"properties.desired": {"routes": {"up": {"priority": 1}}}}}, "up"),
        ({"$edgeHub": {"properties.desired": {"routes": {"up": "FROM /* INTO $upstrem"}}}}, "up"),
        ({"$edgeHub": {"routes": UP}}, "routes"),
    ],
)
def test_a_hub_that_is_mistyped_is_a_defect_of_each_module(
    content: dict[str, object], subject: str
) -> None:
    (pair,) = owned(deployment(content))
    assert pair[0].kind in ("unknown_way_key", "unknown_model_key", "ignored_level", "bad_value")
    assert pair[0].subject == subject
    assert [one.id for one in pair[1]] == ["module/ocr"]


@pytest.mark.parametrize("key", ["moduleContent", "modulesContnet", "ModulesContent"])
def test_modules_under_a_mistyped_key_are_read_and_told(key: str) -> None:
    found = deployment({}, key)
    assert [one.id for one in found.deployed] == ["module/ocr"]
    assert [one.kind for one in found.defects] == ["unknown_model_key"]


def test_an_agent_that_is_mistyped_is_told_although_nothing_is_deployed() -> None:
    found = read({"modulesContent": {"$edgeagent": {"properties.desired": {"modules": {}}}}})
    assert [one.kind for one in found.defects] == ["unknown_model_key"]


def test_a_module_may_be_called_like_the_agent() -> None:
    modules = {"edgeAgent": {"settings": {"image": "own:1"}}}
    twin = {"properties.desired": {"rate": 5}}
    agent = {"properties.desired": {"modules": modules}}
    assert read({"modulesContent": {"$edgeAgent": agent, "edgeAgent": twin}}).defects == ()


@pytest.mark.parametrize(
    "value",
    [
        {"modulesContent": "${CONTENT}"},
        {"id": "line", "content": "${CONTENT}", "targetCondition": "tags.line='3'"},
        {"modulesContent": {"$edgeAgent": "${AGENT}"}},
        {"modulesContent": {"$edgeAgent": {"properties.desired": "${AGENT}"}}},
        {"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": "$MODULES"}}}},
    ],
)
def test_modules_that_are_filled_in_later_cannot_be_read(value: object) -> None:
    found = read(value)
    assert found.files == 1
    assert len(found.unreadable) == 1


@pytest.mark.parametrize(
    "module",
    [
        "${X}",
        {"settings": "${X}"},
        {"settings": {"createOptions": "${X}"}},
        {"settings": {"createOptions": '{"HostConfig": ${X}}'}},
        {"settings": {"createOptions": '{"Cmd": ["${X}"]}'}},
        {"settings": {"createOptions": {"Entrypoint": "${X}"}}},
        {"settings": {"createOptions": {"Env": ["A=1", "${X}"]}}},
        {"settings": {"createOptions": {"HostConfig": "${X}"}}},
        {"settings": {"image": "ocr:1"}, "env": "${X}"},
    ],
)
def test_a_part_of_a_module_that_is_filled_in_later_may_name_any_model(module: object) -> None:
    found = read(
        {"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": {"ocr": module}}}}}
    )
    assert [one.uri.value for one in found.deployed[0].models] == ["${X}"]
    assert found.defects == ()


@pytest.mark.parametrize("twin", ["${X}", {"properties.desired": "${X}"}])
def test_a_twin_that_is_filled_in_later_may_name_any_model(twin: object) -> None:
    found = deployment({"ocr": twin})
    assert [one.uri.value for one in found.deployed[0].models] == ["${X}"]


def test_options_that_are_filled_in_later_may_limit_the_memory() -> None:
    module = {"settings": {"createOptions": "${X}"}}
    found = read({"modulesContent": {"$edgeAgent": {"properties.desired.modules.ocr": module}}})
    assert found.deployed[0].resources.memory_limit_unread is not None


@pytest.mark.parametrize(
    "module", ["abc", {"settings": "abc"}, {"env": ["A=1"]}, {"settings": {"createOptions": "$5"}}]
)
def test_a_part_of_a_module_that_is_no_object_is_a_defect_of_it(module: object) -> None:
    modules = {"ocr": module, "other": {"settings": {"image": "other:1"}}}
    (pair,) = owned(
        read({"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": modules}}}})
    )
    assert pair[0].kind == "bad_value"
    assert [one.id for one in pair[1]] == ["module/ocr"]


def test_desired_properties_that_are_mistyped_are_a_defect_of_their_module() -> None:
    (pair,) = owned(deployment({"ocr": {"properties.desird": {"ModelPath": "/m/a.onnx"}}}))
    assert pair[0].kind == "unknown_model_key"
    assert [one.id for one in pair[1]] == ["module/ocr"]


@pytest.mark.parametrize(
    "desired",
    [
        {"inference": {"ModelUri": "s3://m/a.onnx"}},
        {"models": [{"uri": "s3://m/a.onnx"}]},
        {"model": {"uri": "s3://m/a"}},
        {"a": {"b": ["s3://m/a.onnx"]}},
    ],
)
def test_a_model_may_stand_deep_in_a_twin(desired: dict[str, object]) -> None:
    found = deployment({"ocr": {"properties.desired": {**desired, "rate": {"fps": 5}}}})
    assert [one.uri.value.removesuffix(".onnx") for one in found.deployed[0].models] == ["s3://m/a"]


def test_a_layered_twin_may_name_the_model_in_one_key() -> None:
    found = deployment({"ocr": {"properties.desired.ModelPath": "/m/a.onnx"}})
    assert [one.uri.value for one in found.deployed[0].models] == ["/m/a.onnx"]


@pytest.mark.parametrize(
    ("config", "uris"),
    [
        ({"Binds": ["/srv/models:/models:ro"]}, ["/models/a.onnx"]),
        ({"Binds": ["${DIR}:/models"]}, ["${DIR}/a.onnx"]),
        ({"Binds": ["/srv/other.bin:/models/a.onnx"]}, ["/srv/other.bin"]),
        ({"Binds": ["/srv/x:$TARGET"]}, ["/models/a.onnx", "$TARGET"]),
        ({"Binds": ["${BIND}"]}, ["/models/a.onnx", "${BIND}"]),
        ({"Binds": "${BINDS}"}, ["/models/a.onnx", "${BINDS}"]),
        (
            {"Mounts": [{"Type": "bind", "Source": "$DIR", "Target": "/models"}]},
            ["$DIR/a.onnx"],
        ),
        ({"Mounts": ["${MOUNT}"]}, ["/models/a.onnx", "${MOUNT}"]),
    ],
)
def test_what_is_bound_over_the_path_of_the_model_is_the_model(
    config: object, uris: list[str]
) -> None:
    options = {"Cmd": ["--model", "/models/a.onnx"], "HostConfig": config}
    module = {"settings": {"image": "ocr:1", "createOptions": json.dumps(options)}}
    found = read({"modulesContent": {"$edgeAgent": {"properties.desired.modules.ocr": module}}})
    assert [one.uri.value for one in found.deployed[0].models] == uris


def test_a_module_that_gets_its_model_itself_serves_that() -> None:
    script = "wget -O /m/a.onnx https://h/x && serve --model /m/a.onnx"
    options = json.dumps({"Cmd": ["sh", "-c", script]})
    module = {"settings": {"image": "ocr:1", "createOptions": options}}
    found = read({"modulesContent": {"$edgeAgent": {"properties.desired.modules.ocr": module}}})
    assert [one.uri.value for one in found.deployed[0].models] == ["https://h/x"]


def test_a_variable_that_is_no_object_is_told_and_read_all_the_same() -> None:
    module = {"settings": {"image": "ocr:1"}, "env": {"MODEL_PATH": "/m/a.onnx", "N": {"value": 1}}}
    found = read({"modulesContent": {"$edgeAgent": {"properties.desired.modules.ocr": module}}})
    assert [one.uri.value for one in found.deployed[0].models] == ["/m/a.onnx"]
    (defect,) = found.defects
    assert (defect.kind, defect.subject, defect.remedy) == (
        *("bad_value", "MODEL_PATH"),
        'write {"value": ...}',
    )


@pytest.mark.parametrize(
    ("image", "options", "uris"),
    [
        ("vllm/vllm-openai:v0.9", {"Cmd": ["serve", "org/net"]}, ["org/net"]),
        ("vllm/vllm-openai:v0.9", {"Cmd": ["--model", "org/net"]}, ["org/net"]),
        ("ollama/ollama:0.9", {"Cmd": ["run", "net"]}, ["net"]),
        ("vllm/vllm-openai:v0.9", {"Entrypoint": ["sh"], "Cmd": ["serve", "org/net"]}, []),
        ("vllm/vllm-openai:v0.9", {"Entrypoint": None, "Cmd": ["serve", "org/net"]}, ["org/net"]),
        ("reg/app:1", {"Cmd": ["serve", "org/net"]}, []),
    ],
)
def test_the_image_of_a_module_says_which_word_is_the_model(
    image: str, options: object, uris: list[str]
) -> None:
    module = {"settings": {"image": image, "createOptions": json.dumps(options)}}
    found = read({"modulesContent": {"$edgeAgent": {"properties.desired.modules.ocr": module}}})
    assert [one.uri.value for one in found.deployed[0].models] == uris
