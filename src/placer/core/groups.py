"""A model as groups of nodes between which it may be cut.

A group is a node of the runtime's graph with all original nodes that are computed only for it.
Groups depend on names alone: the order of the nodes in the file changes nothing.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from placer.core.errors import InputError
from placer.core.graph import TensorSpec, known_sum


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of the original model that runs in every inference: constant ones are no nodes."""

    name: str
    """Its first output: names of nodes may be missing or stand twice, those of tensors may not."""
    inputs: tuple[str, ...]
    """Tensors that differ from inference to inference; weights and constants are left out."""
    outputs: tuple[str, ...]
    flops: int | None
    """None: the operator or a shape is unknown."""


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that run in one place."""

    name: str
    """The node whose output leaves the group."""
    nodes: tuple[str, ...]
    """Names of the original nodes, in an order in which they can run."""
    flops: int | None
    time_s: float | None = None
    """None: not measured."""


@dataclass(frozen=True, slots=True)
class GroupTensor:
    """A tensor of the original model that goes from one group to others, or in or out."""

    name: str
    producer: str | None
    """Group; None: an input of the model."""
    consumers: tuple[str, ...]
    """Groups; may be empty for an output of the model."""
    n_bytes: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupGraph:
    """The groups of a model in an order in which they can run, and the tensors between them."""

    groups: tuple[Group, ...]
    tensors: tuple[GroupTensor, ...]
    inputs: tuple[str, ...]
    """Inputs that a group needs, by name."""
    outputs: tuple[str, ...]
    """Outputs that a group computes, by name."""
    unused_nodes: tuple[str, ...] = ()
    """Nodes that no output depends on: the runtime drops them, and so does a split."""
    unsized_tensors: tuple[str, ...] = ()
    """Tensors whose size is not known, as where it depends on the data: never cut, what they join
    is one group."""

    @property
    def time_s(self) -> float | None:
        """Of all groups; None: not measured."""
        times = [group.time_s for group in self.groups]
        return None if None in times else sum(time for time in times if time is not None)


def contract(
    nodes: Sequence[GraphNode],
    tensors: Mapping[str, TensorSpec],
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    borders: Collection[str] | None = None,
) -> GroupGraph:
    """Contract the nodes of a model to the groups that the runtime makes of them.

    A node whose output the runtime computes as well (a border) begins a group; every other node
    belongs to the group that alone uses its outputs. Where several do, the runtime computes it in
    each, and it is a group of its own. So only the outputs of one node leave a group, and groups
    never wait for each other in a circle.

    Parameters
    ----------
    nodes
        In any order.
    tensors
        Every tensor that a node takes or gives.
    inputs, outputs
        Names, of the model.
    borders
        Tensors that the runtime's graph has too; None: all, each node is a group.

    Raises
    ------
    InputError
        The size of an input or of an output is not known, or the nodes wait for each other.
    """
    live, unused = _live(_ordered(nodes, inputs), outputs)
    _require_sizes(tensors, live, inputs, outputs)
    root_of = _roots(live, set(outputs), None if borders is None else set(borders))
    unsized = sorted(
        name
        for name in _border_tensors(live, root_of)
        if tensors[name].n_bytes is None  # inputs and outputs have a size by now
    )
    if unsized:
        root_of = _joined(live, root_of, set(unsized))
    return _built(live, unused, root_of, tensors, inputs, outputs, tuple(unsized))


def _ordered(nodes: Sequence[GraphNode], inputs: Sequence[str]) -> list[GraphNode]:
    """Return the nodes in the one order that follows from their names and edges."""
    maker = {output: node for node in nodes for output in node.outputs}
    waiting = {
        node.name: len({maker[name].name for name in node.inputs if name in maker})
        for node in nodes
    }
    users = _users(nodes)
    known = {node.name: node for node in nodes}
    ready = [name for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    found = []
    while ready:
        node = known[heapq.heappop(ready)]
        found.append(node)
        for follower in sorted({user for output in node.outputs for user in users[output]}):
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, follower)
    if len(found) < len(nodes):
        stuck = min(name for name, count in waiting.items() if count)
        raise InputError(
            f"the node that makes '{stuck}' waits for its own output",
            hint="export the model again",
        )
    given = {*inputs, *maker}
    for node in found:
        for name in node.inputs:
            if name not in given:
                raise InputError(
                    f"the node that makes '{node.name}' takes '{name}', which nothing makes",
                    hint="export the model again",
                )
    return found


def _users(nodes: Iterable[GraphNode]) -> defaultdict[str, list[str]]:
    """Return tensor -> names of the nodes that take it, each once."""
    users: defaultdict[str, list[str]] = defaultdict(list)
    for node in nodes:
        for name in dict.fromkeys(node.inputs):
            users[name].append(node.name)
    return users


def _live(
    ordered: Sequence[GraphNode], outputs: Sequence[str]
) -> tuple[list[GraphNode], tuple[str, ...]]:
    needed = set(outputs)
    live = []
    for node in reversed(ordered):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            live.append(node)
    live.reverse()
    kept = {node.name for node in live}
    return live, tuple(node.name for node in ordered if node.name not in kept)


def _require_sizes(
    tensors: Mapping[str, TensorSpec],
    live: Sequence[GraphNode],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> None:
    taken = {name for node in live for name in node.inputs}
    for what, names in (("input", [i for i in inputs if i in taken]), ("output", outputs)):
        for name in names:
            spec = tensors[name]
            if spec.n_bytes is None:
                why = "its shape depends on the data or is not declared"
                hint = (
                    "export the model with fixed shapes, or give those of its inputs: "
                    "--shape NAME=DIMS"
                )
                if spec.dtype == "string":
                    why = "texts have no fixed size"
                    hint = f"export the model with a number in place of the text '{name}'"
                raise InputError(
                    f"{what} '{name}' ({spec.dtype}) has an unknown size: {why}, so that the "
                    "bytes that a split sends are not known",
                    hint=hint,
                )


def _roots(
    live: Sequence[GraphNode], outputs: set[str], borders: set[str] | None
) -> dict[str, str]:
    """Return node -> the node whose outputs leave its group."""
    users = _users(live)
    root_of: dict[str, str] = {}
    for node in reversed(live):
        leaves = borders is None or any(name in borders or name in outputs for name in node.outputs)
        owners = {root_of[user] for output in node.outputs for user in users[output]}
        root_of[node.name] = node.name if leaves or len(owners) != 1 else owners.pop()
    return root_of


def _border_tensors(live: Sequence[GraphNode], root_of: Mapping[str, str]) -> set[str]:
    maker = {output: node.name for node in live for output in node.outputs}
    return {
        name
        for node in live
        for name in node.inputs
        if name in maker and root_of[maker[name]] != root_of[node.name]
    }


def _joined(
    live: Sequence[GraphNode], root_of: Mapping[str, str], unsized: set[str]
) -> dict[str, str]:
    """Join the groups between which an unsized tensor goes, and whatever lies between them."""
    parent = {root: root for root in root_of.values()}

    def find(root: str) -> str:
        while parent[root] != root:
            parent[root] = parent[parent[root]]
            root = parent[root]
        return root

    maker = {output: node.name for node in live for output in node.outputs}
    for node in live:
        for name in unsized.intersection(node.inputs):
            parent[find(root_of[node.name])] = find(root_of[maker[name]])
    while True:
        followers: dict[str, set[str]] = {find(root): set() for root in parent}
        for node in live:
            for name in node.inputs:
                if name in maker:
                    first, second = find(root_of[maker[name]]), find(root_of[node.name])
                    if first != second:
                        followers[first].add(second)
        circle = _circle(followers)
        if not circle:
            break
        for root in circle[1:]:
            parent[find(root)] = find(circle[0])
    last: dict[str, str] = {}
    for node in live:  # the last root gives the name: its output is what leaves
        if root_of[node.name] == node.name:
            last[find(node.name)] = node.name
    return {name: last[find(root)] for name, root in root_of.items()}


def _circle(followers: Mapping[str, set[str]]) -> list[str]:
    """Return all that is left once what is in no circle is taken away, from both ends."""
    left = {name: set(after) for name, after in followers.items()}
    while True:
        entered = {name for after in left.values() for name in after}
        kept = {name: after for name, after in left.items() if after and name in entered}
        kept = {name: after & kept.keys() for name, after in kept.items()}
        if kept == left:
            break
        left = kept
    if not left:
        return []
    start = min(left)
    path, seen = [start], {start: 0}
    while True:
        follower = min(left[path[-1]])
        if follower in seen:
            return path[seen[follower] :]
        seen[follower] = len(path)
        path.append(follower)


def _built(
    live: Sequence[GraphNode],
    unused: tuple[str, ...],
    root_of: Mapping[str, str],
    tensors: Mapping[str, TensorSpec],
    inputs: Sequence[str],
    outputs: Sequence[str],
    unsized: tuple[str, ...],
) -> GroupGraph:
    members: defaultdict[str, list[GraphNode]] = defaultdict(list)
    maker, consumers = {}, defaultdict(set)
    for node in live:
        root = root_of[node.name]
        members[root].append(node)
        maker.update(dict.fromkeys(node.outputs, root))
        for name in node.inputs:
            consumers[name].add(root)
    merged = [
        GraphNode(
            name=root,
            inputs=tuple({n for m in nodes for n in m.inputs if maker.get(n) != root}),
            outputs=tuple(name for m in nodes for name in m.outputs),
            flops=known_sum(m.flops for m in nodes),
        )
        for root, nodes in members.items()
    ]
    ordered = _ordered(merged, inputs)
    place = {group.name: index for index, group in enumerate(ordered)}
    wanted = set(outputs)
    found = []
    for name in (*inputs, *(output for group in ordered for output in sorted(group.outputs))):
        users = consumers[name] - {maker.get(name)}
        if users or (name in wanted and name in maker):
            spec = tensors[name]
            assert spec.n_bytes is not None
            found.append(
                GroupTensor(
                    name=name,
                    producer=maker.get(name),
                    consumers=tuple(sorted(users, key=place.__getitem__)),
                    n_bytes=spec.n_bytes,
                    dtype=spec.dtype,
                    shape=spec.shape,
                )
            )
    return GroupGraph(
        groups=tuple(
            Group(group.name, tuple(m.name for m in members[group.name]), group.flops)
            for group in ordered
        ),
        tensors=tuple(found),
        inputs=tuple(name for name in inputs if consumers[name]),
        outputs=tuple(name for name in outputs if name in maker),
        unused_nodes=unused,
        unsized_tensors=unsized,
    )


def with_times(graph: GroupGraph, times_s: Mapping[str, float]) -> GroupGraph:
    """Return the graph with measured times: group -> seconds; a group without one takes none."""
    groups = tuple(replace(group, time_s=times_s.get(group.name, 0.0)) for group in graph.groups)
    return replace(graph, groups=groups)
