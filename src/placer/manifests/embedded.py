"""Values that follow other rules than their document: JSON in a string, keys of any case."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from placer.manifests.nodes import Field, Node
from placer.manifests.parsing import MAX_DEPTH


class _Plain(str):
    """A number, a truth value or nothing, as JSON writes it."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """The pairs of an object, repeated keys as well."""

    __slots__ = ()


class _TooDeep(Exception):
    pass


def case_blind(field: Field) -> Field:
    """Return a value whose keys are found whatever their case."""
    return replace(field, document=replace(field.document, is_case_blind=True))


def json_in(strings: Sequence[Field]) -> Field | None:
    """Return what the JSON in a string says; None: it is no JSON.

    Every value of it stands where the string stands; where the text was cut into several strings,
    that is the first of them.
    """
    first = strings[0]
    if first.node is None:
        return None
    try:
        value = json.loads(
            "".join(one.text() or "" for one in strings),
            object_pairs_hook=_Pairs,
            parse_int=_Plain,
            parse_float=_Plain,
            parse_constant=_Plain,
        )
        return replace(first, node=_node(value, first.node, 0))
    except (ValueError, RecursionError, _TooDeep):
        return None


def _node(value: Any, outer: Node, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise _TooDeep
    node = Node(outer.start, outer.end, is_block=outer.is_block)
    if isinstance(value, _Pairs):
        node.pairs = [
            (_node(key, outer, depth), _node(below, outer, depth + 1)) for key, below in value
        ]
    elif isinstance(value, list):
        node.items = [_node(one, outer, depth + 1) for one in value]
    elif isinstance(value, str):
        node.text, node.is_plain = str(value), isinstance(value, _Plain)
    else:
        node.text, node.is_plain = json.dumps(value), True
    return node
