"""Where the specification of a pod lets it run: node labels, the node's name, node affinity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from placer.core.deployment import NODE_NAME, Defect, Place, Stated, Where, words_of_label
from placer.core.project import templates_in
from placer.manifests.containers import is_open, placeholder
from placer.manifests.levels import level
from placer.manifests.nodes import Field, is_merge

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_FORBIDDING = ("NotIn", "DoesNotExist")
"""Operators that leave nodes out: they lead to no other site, whatever is filled in."""
_LISTS = ("matchExpressions", "matchFields")
_TERMS_WAY = (
    "affinity",
    "nodeAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "nodeSelectorTerms",
)
_MATCH = level("", "key operator values", lists="values")
_TERM = level("", "", dict.fromkeys(_LISTS, _MATCH), lists=" ".join(_LISTS))
_REQUIRED = level("", "", {"nodeSelectorTerms": _TERM}, lists="nodeSelectorTerms")
_NODE_AFFINITY = level(
    "preferredDuringSchedulingIgnoredDuringExecution",
    "",
    {"requiredDuringSchedulingIgnoredDuringExecution": _REQUIRED},
    {"nodeSelectorTerms": "'requiredDuringSchedulingIgnoredDuringExecution'"},
    objects="requiredDuringSchedulingIgnoredDuringExecution",
)
AFFINITY = level(
    "podAffinity podAntiAffinity",
    "",
    {"nodeAffinity": _NODE_AFFINITY},
    dict.fromkeys(_TERMS_WAY[2:], "'nodeAffinity'"),
    objects="nodeAffinity",
)
_ARCH = ("kubernetes.io/arch", "beta.kubernetes.io/arch")
_OS = ("kubernetes.io/os", "beta.kubernetes.io/os")


def where_of(pod: Field) -> Where:
    """Return where the scheduler may put a pod: what it must, not what it prefers."""
    labels = {
        one.name: Stated((one.name, one.text() or ""), one.pair_place())
        for one in pod.at("nodeSelector").entries()
    }
    node = pod.at("nodeName").stated()
    any_of: list[Stated[tuple[str, tuple[str, ...]]]] = []
    none_of: list[Stated[tuple[str, tuple[str, ...]]]] = []
    required = _required(pod)
    for key, (is_wanted, values, place) in required.items():
        if not is_wanted:
            none_of.append(Stated((key, values), place))
        elif key == NODE_NAME:
            if len(values) == 1 and node is None:
                node = Stated(values[0], place)
            else:
                any_of.append(Stated((key, values), place))
        elif len(values) == 1 and key not in labels:
            labels[key] = Stated((key, values[0]), place)
        else:
            any_of.append(Stated((key, values), place))
    any_of = [one for one in any_of if not _is_said(labels.get(one.value[0]), one.value[1])]
    said = tuple(labels.values())
    return Where(
        labels=said,
        any_of=tuple(any_of),
        none_of=tuple(none_of),
        node=node,
        instance_type=_label(said, "node.kubernetes.io/instance-type"),
        platform=_platform(said, pod.at("os", "name").stated()),
        either=tuple(_either(pod, required)),
        unread=tuple(_unread(pod, required)),
    )


def _either(pod: Field, required: Mapping[str, _Rule]) -> Iterator[Stated[str]]:
    """Yield what some of several terms demand of a label, and not all of them."""
    terms = _terms(pod)
    for term in terms if len(terms) > 1 else ():
        for key, (is_wanted, values, place) in term.items():
            if key not in required:
                yield Stated(words_of_label(key, values, is_wanted=is_wanted), place)


def _unread(pod: Field, required: Mapping[str, _Rule]) -> Iterator[Stated[str]]:
    """Yield what is filled in later where words of the place belong.

    Parameters
    ----------
    required
        What is demanded of labels by name: what is filled in later there is a word itself.
    """
    labels = pod.at("nodeSelector")
    for one in (labels, *labels.items()):
        yield from _opened("nodeSelector", one)
    for one in labels.pairs():
        if one.key is None or (one.key.text is not None and not is_merge(one.key)):
            continue
        template = one.key.template if one.key.text is None else one.text()
        if template is not None:
            yield Stated(f"nodeSelector {template}", one.key_place())
    for depth in range(len(_TERMS_WAY)):
        yield from _opened(_TERMS_WAY[depth], pod.at(*_TERMS_WAY[: depth + 1]))
    for term in pod.at(*_TERMS_WAY).items():
        yield from _opened(_TERMS_WAY[-1], term)
        for key in _LISTS:
            yield from _opened(key, term.at(key))
    for expression in _expressions(pod):
        yield from _opened("matchExpressions", expression)
        operator = expression.at("operator").text() or ""
        if templates_in(operator):
            yield Stated(f"operator {operator}", expression.at("operator").place())
        elif operator not in _FORBIDDING and expression.at("key").text() not in required:
            yield from _filled_in(expression)


def _opened(name: str, field: Field) -> Iterator[Stated[str]]:
    """Yield a value that is filled in later as a whole."""
    if (stated := placeholder(field)) is not None:
        yield Stated(f"{name} {stated.value}", field.key_place())


def _filled_in(expression: Field) -> Iterator[Stated[str]]:
    """Yield key or value of an expression that is filled in later."""
    values = expression.at("values")
    for one in (expression.at("key"), values, *values.items()):
        if templates_in(one.text() or ""):
            yield Stated(f"matchExpressions {one.text()}", one.place())


def _expressions(pod: Field) -> Iterator[Field]:
    for term in pod.at(*_TERMS_WAY).items():
        for key in _LISTS:
            yield from term.at(key).items()


def _is_said(label: Stated[tuple[str, str]] | None, values: tuple[str, ...]) -> bool:
    """Tell whether a label that the node must have lets it fit as well."""
    return label is not None and (not values or label.value[1] in values)


def bad_words(pod: Field) -> Iterator[Defect]:
    """Yield the words of a place that Kubernetes refuses."""
    for one in [*pod.at("nodeSelector").entries(), pod.at("nodeName")]:
        if one and one.kind() in ("truth value", "number", "list", "mapping"):
            yield Defect(
                "bad_value",
                f"'{one.name}' is a {one.kind()}, and Kubernetes takes text alone here",
                f'write "{one.text()}" in quotes' if one.text() else "write text in quotes",
                one.pair_place(),
            )
    for expression in _expressions(pod):
        yield from _bad_expression(expression)


def _bad_expression(expression: Field) -> Iterator[Defect]:
    operator, values = expression.at("operator"), expression.at("values")
    text = operator.text() or ""
    if text and text not in _OPERATORS and not (is_open(text) or templates_in(text)):
        yield Defect(
            "bad_value",
            f"'operator: {text[:40]}' is none that Kubernetes knows",
            f"write one of {', '.join(_OPERATORS)}",
            operator.place(),
        )
    elif text in ("In", "NotIn") and not next(values.items(), None) and not values.text():
        remedy = f"write the values, or {'Exists' if text == 'In' else 'DoesNotExist'}"
        yield Defect(
            "bad_value", f"'operator: {text}' has no values", remedy, (values or operator).place()
        )


_Rule = tuple[bool, tuple[str, ...], Place]
"""Whether the node must have one of the values, or none; without values, the label as such."""


def _required(pod: Field) -> dict[str, _Rule]:
    """Return what node affinity demands of each label.

    A node fits if one of the terms fits; of several terms only what all demand of a label is kept
    (one of the values of any), which every node that fits has.
    """
    terms = _terms(pod)
    if len(terms) < 2:
        return terms[0] if terms else {}
    common: dict[str, _Rule] = {}
    for key, (is_wanted, values, place) in terms[0].items():
        others = [term[key] for term in terms[1:] if key in term and term[key][0]]
        if not is_wanted or len(others) < len(terms) - 1:
            continue
        lists = [values, *(one[1] for one in others)]
        union = tuple(dict.fromkeys(value for one in lists for value in one))
        common[key] = (True, union if all(lists) else (), place)
    return common


def _terms(pod: Field) -> list[dict[str, _Rule]]:
    """Return what each term of node affinity demands of each label."""
    return [
        {**_rules(term.at("matchExpressions")), **_rules(term.at("matchFields"))}
        for term in pod.at(*_TERMS_WAY).items()
    ]


def _rules(expressions: Field) -> dict[str, _Rule]:
    """Return what is demanded of each label; of several demands the values that all of them allow.

    Of ``Gt`` and ``Lt`` it is only known that the label is there.
    """
    rules: dict[str, _Rule] = {}
    for one in expressions.items():
        key, operator = one.at("key").text(), one.at("operator").text()
        if key is None or operator not in _OPERATORS:
            continue
        has_values = operator in ("In", "NotIn")
        # an empty value is one, and Kubernetes takes null for it
        values = tuple(value.text() or "" for value in one.at("values").items())
        if not values and (template := one.at("values").text()) is not None:
            values = (template,)
        if not has_values:
            values = ()
        is_wanted = operator not in ("NotIn", "DoesNotExist")
        place = one.at("values").place() if has_values and one.at("values") else one.place()
        known = rules.get(key)
        if known is not None and known[0]:
            if not is_wanted:
                continue
            if known[1]:
                both = tuple(value for value in known[1] if value in values)
                values, place = both or known[1], known[2]
        rules[key] = (is_wanted, values, place)
    return rules


def _label(labels: Sequence[Stated[tuple[str, str]]], *names: str) -> Stated[str] | None:
    return next((Stated(one.value[1], one.place) for one in labels if one.value[0] in names), None)


def _platform(
    labels: Sequence[Stated[tuple[str, str]]], system: Stated[str] | None
) -> Stated[str] | None:
    arch, system = _label(labels, *_ARCH), _label(labels, *_OS) or system
    if arch is None:
        return system
    return arch if system is None else Stated(f"{system.value}/{arch.value}", arch.place)
