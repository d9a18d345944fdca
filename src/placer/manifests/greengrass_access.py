"""What a component of Greengrass may publish to the cloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from placer.core.deployment import Defect, Egress, Place, Stated
from placer.core.project import templates_in
from placer.manifests.containers import placeholder
from placer.manifests.lookalikes import is_near
from placer.manifests.nodes import Field

_MQTT_PROXY = "aws.greengrass.ipc.mqttproxy"
_PUBLISH = "aws.greengrass#PublishToIoTCore"
_PUBLISHES = (_PUBLISH.lower(), "*")


def egress_of(configurations: Sequence[Field], opened: Sequence[Stated[str]]) -> Iterator[Egress]:
    """Yield the topics of the cloud to which a component may publish, and what may name some."""
    unknown = [*opened]
    policies: dict[str, list[Field]] = {}
    for configuration in configurations:
        control = configuration.at("accessControl")
        for policy in control.at(_MQTT_PROXY).entries():
            policies.setdefault(policy.name.lower(), []).append(policy)
        holders = (control, control.at(_MQTT_PROXY), *control.at(_MQTT_PROXY).entries())
        unknown += [stated for one in holders if (stated := placeholder(one)) is not None]
    for one in unknown:
        yield Egress("mqtt", one, "messages", is_open=True)
    for parts in policies.values():
        operations = [one.stated() for one in _first_list("operations", parts)]
        said = [one for one in operations if one is not None]
        if not any(one.value.lower() in _PUBLISHES for one in said):
            for one in said:
                if templates_in(one.value):
                    yield Egress("mqtt", one, "messages", is_open=True)
            continue
        for topic in _first_list("resources", parts):
            stated = topic.stated()
            if stated is not None:
                yield Egress("mqtt", stated, "messages")


def mistyped_rights(configuration: Field) -> Iterator[Defect]:
    """Yield the keys and operations that are near those which open a way to the cloud."""
    yield from _near(configuration.entries(), "accessControl", "a component's configuration")
    for service in configuration.at("accessControl").entries():
        name = service.name.lower()
        if name != _MQTT_PROXY and is_near(name.rpartition(".")[2], "mqttproxy"):
            yield _mistyped(service.name, _MQTT_PROXY, "accessControl", service.key_place())
    for policy in configuration.at("accessControl", _MQTT_PROXY).entries():
        for key in ("operations", "resources"):
            yield from _near(policy.entries(), key, "a policy")
        for one in _first_list("operations", [policy]):
            text = one.text() or ""
            if text.lower() not in _PUBLISHES and is_near(text, _PUBLISH):
                yield _mistyped(text, _PUBLISH, "operations", one.place())


def _near(entries: Iterable[Field], key: str, where: str) -> Iterator[Defect]:
    for entry in entries:
        if entry.name.lower() != key.lower() and is_near(entry.name, key):
            yield _mistyped(entry.name, key, where, entry.key_place())


def _mistyped(name: str, meant: str, where: str, place: Place) -> Defect:
    message = f"'{name[:60]}' is none that Greengrass knows in {where}, and has no effect"
    return Defect("unknown_way_key", message, f"write '{meant}'", place, name)


def _first_list(name: str, holders: Sequence[Field]) -> list[Field]:
    """Return a list of the first that has it: a merge replaces lists as a whole.

    A text alone counts as a list of it.
    """
    found = next((one.at(name) for one in holders if one.at(name)), None)
    if found is None:
        return []
    return [*found.items()] if found.is_list else [found]
