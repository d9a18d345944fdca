"""Where a model may be cut, and what crosses: points, shares, plans and cuts of a group graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from placer.core.cut_names import cut_options
from placer.core.errors import UsageError, near_match
from placer.core.groups import GroupGraph, GroupTensor


class _Edges:
    """Who makes and who takes what."""

    def __init__(self, graph: GroupGraph) -> None:
        self.tensors = {tensor.name: tensor for tensor in graph.tensors}
        self.taken: defaultdict[str, list[str]] = defaultdict(list)
        self.made: defaultdict[str, list[str]] = defaultdict(list)
        for tensor in graph.tensors:
            for group in tensor.consumers:
                self.taken[group].append(tensor.name)
            if tensor.producer is not None:
                self.made[tensor.producer].append(tensor.name)

    def behind(self, cut: Iterable[str], candidates: set[str]) -> set[str]:
        """Return the most of the candidates that need nothing but the cut and each other.

        ``candidates`` hold with each group all that follow it.
        """
        allowed, tail = set(cut), set(candidates)
        # by tensor, not by group: each is looked at again only when its producer leaves the tail
        leaving = [
            group
            for group in tail
            for name in self.taken[group]
            if name not in allowed and self.tensors[name].producer not in tail
        ]
        while leaving:
            group = leaving.pop()
            if group not in tail:
                continue
            tail.remove(group)
            for name in self.taken[group]:
                producer = self.tensors[name].producer
                if producer in tail:  # it would send back
                    leaving.append(producer)
            for name in self.made[group]:
                if name not in allowed:
                    leaving += [user for user in self.tensors[name].consumers if user in tail]
        return tail

    def before(self, cut: Iterable[str]) -> set[str]:
        """Return the groups that the tensors of a cut depend on."""
        found: set[str] = set()
        todo = [self.tensors[name].producer for name in cut]
        while todo:
            group = todo.pop()
            if group is not None and group not in found:
                found.add(group)
                todo += [self.tensors[name].producer for name in self.taken[group]]
        return found


def single_tensor_points(graph: GroupGraph) -> tuple[str, ...]:
    """Return every tensor that alone separates groups from all others, in the order they are made.

    It is the only one to go from one side to the other; outputs may be made on both sides. The
    inputs of the model are not among them: sending them is not to split at all.
    """
    points, _ = _points_and_tails(graph)
    return points


def _points_and_tails(graph: GroupGraph) -> tuple[tuple[str, ...], list[int]]:
    """Return the points and, as bits in the order of the groups, the groups behind each."""
    edges = _Edges(graph)
    place = {group.name: index for index, group in enumerate(graph.groups)}
    number = {tensor.name: index for index, tensor in enumerate(graph.tensors)}
    reach, taken, made = ([0] * len(graph.groups) for _ in range(3))
    sinks = 0
    for index in range(len(graph.groups) - 1, -1, -1):
        name = graph.groups[index].name
        own = 1 << index
        takes = sum(1 << number[tensor] for tensor in edges.taken[name])
        makes = sum(1 << number[tensor] for tensor in edges.made[name])
        users = {user for tensor in edges.made[name] for user in edges.tensors[tensor].consumers}
        sinks += not users
        for user in users:
            after = place[user]
            own |= reach[after]
            takes |= taken[after]
            makes |= made[after]
        reach[index], taken[index], made[index] = own, takes, makes
    is_single = sinks == 1 and all(edges.taken[group.name] for group in graph.groups)
    points, tails = [], []
    for tensor in graph.tensors:
        if tensor.producer is None or not tensor.consumers:
            continue
        behind = needs = gives = 0
        for user in tensor.consumers:
            behind |= reach[place[user]]
            needs |= taken[place[user]]
            gives |= made[place[user]]
        if needs & ~gives != 1 << number[tensor.name]:
            if is_single:  # all lead to one output: what is left of the tail would be nothing
                continue
            candidates = {group.name for group in graph.groups} - edges.before((tensor.name,))
            left = edges.behind((tensor.name,), candidates)
            if not left.intersection(tensor.consumers):
                continue
            behind = sum(1 << place[name] for name in left)
        points.append(tensor.name)
        tails.append(behind)
    return tuple(points), tails


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a model that no single-tensor point divides, and how large it is."""

    ratio: float
    basis: str
    """``time``, or ``flops`` where nothing was measured, or ``groups`` where they are unknown."""
    groups: tuple[str, ...]


def largest_uncuttable_share(graph: GroupGraph) -> Share:
    """Return the largest part of the model that no single-tensor point divides."""
    pieces = [
        [graph.groups[index] for index in _places(piece)]
        for piece in _pieces(_points_and_tails(graph)[1], len(graph.groups))
    ]
    basis, weights = "groups", {group.name: 1.0 for group in graph.groups}
    for name in ("flops", "time_s"):
        known = {group.name: getattr(group, name) for group in graph.groups}
        if all(value is not None for value in known.values()) and sum(known.values()) > 0:
            basis, weights = name.removesuffix("_s"), known
    total = sum(weights.values())
    size, names = max(
        (sum(weights[group.name] for group in piece), tuple(group.name for group in piece))
        for piece in pieces
    )
    return Share(size / total, basis, names)


def _places(bits: int) -> Iterator[int]:
    """Yield the places of the ones."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _pieces(tails: Iterable[int], count: int) -> list[int]:
    """Divide so many groups by sets of them, as bits: what no set tells apart stays together."""
    pieces = [(1 << count) - 1]
    for tail in sorted(tails, key=int.bit_count, reverse=True):
        if not tail & ~pieces[-1]:  # the usual case: each set lies in the one before
            rest = pieces.pop() & ~tail
            pieces += [rest, tail] if rest else [tail]
        else:
            parts = [part for piece in pieces for part in (piece & ~tail, piece & tail)]
            pieces = [part for part in parts if part]
    return pieces


def crossing(
    graph: GroupGraph, assignment: Mapping[str, int], tiers: int
) -> tuple[tuple[GroupTensor, ...], ...]:
    """Return the tensors that cross each link between successive tiers.

    A tensor crosses once however many groups take it behind the link; an input of the model comes
    from tier 0. Results are not among them.

    Parameters
    ----------
    assignment
        Group -> tier, from 0.

    Raises
    ------
    UsageError
        A group has no tier or one that does not exist, or runs before what it needs.
    """
    for group in graph.groups:
        tier = assignment.get(group.name)
        if tier is None or not 0 <= tier < tiers:
            raise UsageError(
                f"group '{group.name}' has {'no tier' if tier is None else f'tier {tier}'}",
                hint=f"give every group one of 0 to {tiers - 1}",
            )
    links: list[list[GroupTensor]] = [[] for _ in range(tiers - 1)]
    for tensor in graph.tensors:
        start = 0 if tensor.producer is None else assignment[tensor.producer]
        for user in tensor.consumers:
            if assignment[user] < start:
                raise UsageError(
                    f"group '{user}' runs on tier {assignment[user]} and needs '{tensor.name}' of "
                    f"tier {start}: nothing is sent back",
                    hint=f"put '{user}' on tier {start} or later",
                )
        end = max((assignment[user] for user in tensor.consumers), default=start)
        for link in range(start, end):
            links[link].append(tensor)
    return tuple(tuple(link) for link in links)


def tiers_of_cuts(
    graph: GroupGraph, cuts: Sequence[Sequence[str]], *, kept: Collection[str] = ()
) -> dict[str, int]:
    """Return group -> tier for a list of the tensors that cross each link.

    Behind a link runs all that needs nothing but its tensors; what those are made of runs before.

    Parameters
    ----------
    kept
        Tensors that the remedy of an incomplete cut names only where there is none without.

    Raises
    ------
    UsageError
        A tensor is not there, the tensors do not separate the model, or the links are not in
        order.
    """
    edges = _Edges(graph)
    assignment = {group.name: 0 for group in graph.groups}
    for link, cut in enumerate(cuts):
        for name in cut:
            if name in graph.unsized_tensors:
                raise UsageError(
                    f"placer does not know the size of '{name}', so that it is never sent: it "
                    "depends on the data, or on an operator whose output placer cannot tell",
                    hint="cut at another tensor",
                )
            if name not in edges.tensors:
                raise UsageError(
                    f"no tensor '{name}' goes from one node to another"
                    f"{near_match(name, _taken(graph))}",
                    hint="give names of tensors of the model that are no weights or constants",
                )
        for name in sorted(_behind_cut(edges, graph, cut, kept)):
            if assignment[name] != link:
                raise UsageError(
                    f"the node that makes '{name}' is behind the cut at {_named(cut)}, but not "
                    f"behind the one before it, at {_named(cuts[link - 1])}",
                    hint="give the cuts in the order of the tiers",
                )
            assignment[name] = link + 1
    return assignment


def _behind_cut(
    edges: _Edges, graph: GroupGraph, cut: Sequence[str], kept: Collection[str]
) -> set[str]:
    from placer.core.cut_completion import nearest_cut

    before = edges.before(cut)
    rest = {group.name for group in graph.groups} - before
    tail = edges.behind(cut, rest)
    idle = [name for name in cut if not tail.intersection(edges.tensors[name].consumers)]
    if not idle:
        return tail
    if not any(edges.tensors[name].consumers for name in cut):
        what, it = ("it is an output", "it") if len(cut) == 1 else ("they are outputs", "them")
        raise UsageError(
            f"nothing would run behind the cut at {_named(cut)}: {what} of the model, and no node "
            f"takes {it}",
            hint=f"cut at a tensor before {it}, or run the whole model on the device",
        )
    missing = sorted(
        tensor.name
        for tensor in graph.tensors
        if tensor.name not in cut
        and (tensor.producer is None or tensor.producer in before)
        and rest.intersection(tensor.consumers)
    )
    # what the others are made of alone goes first
    able = [name for name in cut if not before.issuperset(edges.tensors[name].consumers)]
    whole = nearest_cut(graph, able, edges.before, kept)
    whole = whole or nearest_cut(graph, cut, edges.before, kept)
    if not missing or idle[0] not in able:
        what = f"nothing behind {_named(cut)} needs '{idle[0]}'"
    else:
        what = _way_around(cut, missing, whole)
    raise UsageError(what, hint=_remedy(cut, whole, kept))


def _way_around(cut: Sequence[str], missing: Sequence[str], whole: Sequence[str] | None) -> str:
    """Say that tensors leave a way around, and which."""
    needed = missing
    if whole is not None and set(whole).issuperset(cut):
        needed = [name for name in whole if name not in cut]
    more = f" and {len(needed) - 5} more" if len(needed) > 5 else ""
    return (
        f"{_named(cut)} alone {'does' if len(cut) == 1 else 'do'} not separate the model: "
        f"{_named(needed[:5])}{more} would cross too"
    )


def _remedy(cut: Sequence[str], whole: Sequence[str] | None, kept: Collection[str]) -> str:
    """Return the help for tensors that are no cut: what to name instead, all of it."""
    if whole is None:
        return "cut at other tensors, between the inputs and the outputs"
    idle = [name for name in cut if name not in whole]
    steps = [f"leave {_named(idle)} out"] if idle else []
    if not set(whole).issubset(cut):
        steps.append("name all that cross, here the fewest")
    raw = ", though raw input would leave with it" if any(name in kept for name in whole) else ""
    return f"{' and '.join(steps)}{raw}: {cut_options(whole)}"


def _taken(graph: GroupGraph) -> list[str]:
    """Return the tensors that can be cut at: some node makes them, and another takes them."""
    from placer.core.split_export import can_be_sent

    return [
        one.name
        for one in graph.tensors
        if one.producer is not None and one.consumers and can_be_sent(one.dtype)
    ]


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
