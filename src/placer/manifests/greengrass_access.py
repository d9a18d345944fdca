"""What a component of Greengrass may publish to the cloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from placer.core.deployment import Egress, Stated
from placer.core.project import templates_in
from placer.manifests.containers import placeholder
from placer.manifests.nodes import Field

_MQTT_PROXY = "aws.greengrass.ipc.mqttproxy"
_PUBLISHES = ("aws.greengrass#publishtoiotcore", "*")


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


def _first_list(name: str, holders: Sequence[Field]) -> list[Field]:
    """Return a list of the first that has it: a merge replaces lists as a whole.

    A text alone counts as a list of it.
    """
    found = next((one.at(name) for one in holders if one.at(name)), None)
    if found is None:
        return []
    return [*found.items()] if found.is_list else [found]
