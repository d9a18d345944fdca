"""Variables of containers from ConfigMaps beside them, as if they were written in ``env``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.manifests.models import is_model_variable
from placer.manifests.nodes import Field, Node
from placer.manifests.objects import Objects, name_of

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A key that is a variable; others are files."""


def is_config_map(root: Field) -> bool:
    """Tell whether an object holds values that containers may take as variables."""
    return root.at("kind").text() == "ConfigMap" and root.at("data").is_mapping


def put_variables_in(roots: Sequence[Field], maps: Sequence[Field]) -> None:
    """Write what ``envFrom`` and ``configMapKeyRef`` name into ``env``, where it is in `maps`.

    A value of the same file keeps its place, one of another file stands where it is referred to.
    What is in no map of the directory stays as it is: nobody knows it.
    """
    known = Objects(("ConfigMap", name_of(one), one) for one in maps)
    for root in roots:
        for node in _mappings(root):
            container = Field(root.document, node)
            if container.at("envFrom").is_list or container.at("env").is_list:
                _fill(container, node, known, root)


def _mappings(root: Field) -> Iterator[Node]:
    """Yield every mapping within an object once."""
    waiting: list[Node] = [] if root.node is None else [root.node]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        waiting += node.items or ()
        waiting += [value for _, value in node.pairs or ()]
        if node.pairs is not None:
            yield node


def _fill(container: Field, node: Node, maps: Objects, root: Field) -> None:
    sources, env = container.at("envFrom"), container.at("env")
    is_other = env and not (env.is_list or env.is_null)
    if is_other or len({id(one) for one, _ in node.pairs or () if one.text == "env"}) > 1:
        return
    found: dict[str, Node] = {}
    rest: list[Node] = []
    for source in sources.items():
        data = _data(source.at("configMapRef"), maps, root)
        prefix = source.at("prefix").text() or ""
        for entry in data.entries():
            if entry.key is not None and entry.node is not None and _is_value(entry):
                name = replace(entry.key, text=f"{prefix}{entry.name}")
                value = _placed(entry, source, root)
                found[name.text or ""] = _variable(name, value)
        if not data and source.node is not None:
            rest.append(source.node)
            found |= _doubtful(source, maps, root)
    own = [one for item in env.items() if (one := _filled(item, maps, root)) is not None]
    names = {item.at("name").text() for item in env.items()}
    above = [one for name, one in found.items() if name not in names]
    key = env.key or sources.key
    if key is None or not (found or own):
        return
    holder = env.node or sources.node
    pairs = [one for one in node.pairs or () if one[0].text not in ("env", "envFrom")]
    if holder is not None:
        pairs.append((replace(key, text="env"), replace(holder, items=[*above, *own])))
    if rest and sources.key is not None and sources.node is not None:
        pairs.append((sources.key, replace(sources.node, items=rest)))
    node.pairs, node.by_key = pairs, None


def _doubtful(source: Field, maps: Objects, root: Field) -> dict[str, Node]:
    """Return the models among the variables of several maps of one name: nobody knows which."""
    reference, prefix = source.at("configMapRef"), source.at("prefix").text() or ""
    name = reference.at("name").text()
    near = maps.near("ConfigMap", name, beside=root) if name else []
    known = [one for one in near if _folder(one) == _folder(root)]
    found: dict[str, Node] = {}
    for entry in (entry for one in known for entry in one.at("data").entries()):
        variable = f"{prefix}{entry.name}"
        if entry.key is not None and _is_value(entry) and is_model_variable(variable):
            key = replace(entry.key, text=variable)
            found[variable] = _variable(key, _placed(source, source, root), "valueFrom")
    return found


def _data(reference: Field, maps: Objects, root: Field) -> Field:
    """Return what the map holds that is referred to; nothing: it is not known."""
    name = reference.at("name").text()
    known = maps.nearest("ConfigMap", name, beside=root) if name else None
    nothing = Field(root.document, None)
    if known is None or _folder(known) != _folder(root):
        return nothing
    return known.at("data")


def _folder(root: Field) -> str:
    return root.document.path.rpartition("/")[0]


def _placed(value: Field, reference: Field, root: Field) -> Node:
    """Return a value where it can be told in the file of the container."""
    node, here = value.node, reference.node
    if node is None or here is None:
        return Node(root.document.root.start, root.document.root.end)
    if value.document.path == root.document.path:
        return node
    return replace(node, start=here.start, end=here.end, is_block=here.is_block)


def _is_value(entry: Field) -> bool:
    return _NAME.fullmatch(entry.name) is not None and entry.text() is not None


def _filled(item: Field, maps: Objects, root: Field) -> Node | None:
    """Return a variable with the value of the key that it names, else as it is."""
    reference, name = item.at("valueFrom", "configMapKeyRef"), item.at("name")
    value = _data(reference, maps, root).at(reference.at("key").text() or "")
    if name.node is None or value.text() is None:
        return item.node
    return _variable(name.node, _placed(value, item, root))


def _variable(name: Node, value: Node, kind: str = "value") -> Node:
    def key(text: str) -> Node:
        return Node(value.start, value.end, text, is_plain=True)

    return Node(value.start, value.end, pairs=[(key("name"), name), (key(kind), value)])
