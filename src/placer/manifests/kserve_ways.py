"""By which ways KServe sends data away: loggers, transformers, and URLs of a graph's steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from placer.core.deployment import DEFAULT_LOGGER, Egress, ModelRef, Stated, Where
from placer.core.hosts import host_of
from placer.core.project import templates_in
from placer.core.receivers import is_inside
from placer.manifests.models import hidden_model
from placer.manifests.nodes import Field
from placer.manifests.objects import id_of, namespace_of
from placer.manifests.pod_place import where_of

_MODES = {"request": "request", "response": "answer", "all": "all"}
_OF_COMPONENT = re.compile(r"-(?:predictor|transformer)(?:-default)?$")
"""What KServe adds to the name of a service for that of a component's own."""


def logged(component: Field, root: Field) -> Iterator[Egress]:
    """Yield the way of the logger; what is not written out may be any."""
    logger = component.at("logger") if is_written_out(component) else component
    if not is_written_out(logger):
        if logger and not logger.is_null:
            yield unknown_way("logger", logger)
        return
    to = logger.at("url").stated() or logger.at("storage", "path").stated()
    if to is None:
        to = Stated(DEFAULT_LOGGER, logger.key_place())
    stated = logger.at("mode").text()
    mode = stated or "all"
    carries = _MODES.get(mode, "messages" if templates_in(mode) else "all")
    said = f"mode: {mode}" if stated else "mode: all (the default)"
    yield Egress("logger", to, carries, said=said, namespace=namespace_of(root))


def passed(root: Field, first: Field | None, variant: str, *, is_old: bool) -> Iterator[Egress]:
    """Yield the way to the component that requests pass first: it may run somewhere else."""
    if first is not None and is_written_out(first):
        to = "/".join(part for part in (id_of(root), variant, first.name) if part)
        where = Where() if is_old else where_of(first)
        yield Egress(first.name, Stated(to, first.key_place()), "request", where=where)


def is_written_out(field: Field) -> bool:
    """Tell whether a mapping is one, and no ``{{ .Values.x }}``, which YAML takes for one."""
    return field.is_mapping and field.kind() != "template"


def unknown_way(kind: str, field: Field) -> Egress:
    """Return the way that stands where nobody can read it, as ``{{ toYaml .Values.logger }}``."""
    stated = field.stated() or Stated(f"<{field.name}>", field.key_place())
    return Egress(kind, stated, "messages", is_open=True)


def service_at(way: Egress) -> tuple[str, str | None] | None:
    """Return name and namespace of the service that a URL within the cluster names; None: none."""
    if not is_inside(way):
        return None
    name, *rest = (host_of(way.to.value) or "").split(".")
    space = next(iter(rest), None)
    return _OF_COMPONENT.sub("", name), space


def of_nobody(ways: Sequence[Egress]) -> Iterator[ModelRef]:
    """Yield the model of a graph that names no service and sends data out: nobody knows which."""
    out = [way.to for way in ways if not is_inside(way)]
    if out:
        why = f"data goes to {out[0].value[:80]}, and no step names a service that is known"
        told = " ".join(one.value for one in out)
        yield hidden_model("<service>", out[0].place, why, told=told)
