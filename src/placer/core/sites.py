"""Which site of the project the words of a manifest mean: labels, node, group, instance type.

Nothing is guessed: what no entry matches, what several match, and what is filled in later, be it
beside words that fit, stays unresolved, and says why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

from placer.core.deployment import (
    NODE_NAME,
    Deployed,
    Egress,
    Place,
    Stated,
    Where,
    words_of_label,
)
from placer.core.environment import Region
from placer.core.globs import glob_of, literal
from placer.core.privacy import allowed_in
from placer.core.project import (
    DeclaredSite,
    PlaceWords,
    Project,
    SiteEntry,
    SiteMatch,
    Unresolved,
    names,
    short,
    templates_in,
)
from placer.core.rendering import render_of

PLACELESS = frozenset({"triton"})
"""Formats of manifests that have no word for a place."""
MAX_LABEL_SETS = 64
"""Sets of labels that a node may have, of one manifest, that are looked up."""
MAX_TOLD_MATCHES = 4
RegionsOf = Callable[[str], Sequence[Region]]
"""Word of a manifest -> regions of the catalogue that it may name; none: it names none."""
_ANY = "'*'"
_YAML_WORDS = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")


def site_of(deployed: Deployed, project: Project, path: str) -> DeclaredSite | Unresolved:
    """Return the site that the words of a manifest mean; `path` as in `workload_of`."""
    where = deployed.where
    sets = math.prod(len(stated.value[1]) or 1 for stated in where.any_of)
    if sets > MAX_LABEL_SETS:
        return Unresolved(
            f"its node may have {sets} sets of labels, at most {MAX_LABEL_SETS} are looked up",
            "say less in the manifest: one label that decides the place",
        )
    meant: dict[str, SiteEntry] = {}
    template: str | None = None
    for words in _all_words(where, path):
        found = [entry for entry in project.sites if any(one.fits(words) for one in entry.matches)]
        if len(found) > 1 and where.tier is not None:  # a virtual machine may be an edge device
            found = [one for one in found if one.tier is where.tier.value] or found
        if not found:
            return _no_site(deployed, project, path)
        meant.update((entry.name, entry) for entry in found)
        fitting = [one for entry in found for one in entry.matches if one.fits(words)]
        template = template or _left_open(words, where, fitting)
    if len(meant) == 1 and template is not None:
        return _filled_in_later(deployed, template)
    if len(meant) == 1:
        return DeclaredSite(next(iter(meant.values())), place_of_site(deployed))
    if not meant:
        return _no_site(deployed, project, path)
    return Unresolved(
        f"it may run on several sites: {', '.join(sorted(meant))}",
        f"say more of the place in the manifest, or make the matches in {project.path} differ",
    )


def contradicted(
    site: DeclaredSite, deployed: Deployed, project: Project, path: str, regions_of: RegionsOf
) -> Unresolved | None:
    """Return why a label of the place is of another law than the site; None: none is.

    What a match of the site names to the letter is the project's word for it, and what lies at
    the path of one runs there whatever it says.
    """
    law, matches = site.entry.law, site.entry.matches
    if law is None or any(one.path is not None and names(one.path, path) for one in matches):
        return None
    where = deployed.where
    labels = [(one.value, one.place) for one in where.labels]
    labels += [((one.value[0], each), one.place) for one in where.any_of for each in one.value[1]]
    for label, place in labels:
        regions = regions_of(label[1])
        if not regions or any(
            label == (key, literal(value)) for one in matches for key, value in one.labels
        ):
            continue
        named = [(one.name, one.jurisdiction, (law,), one.country) for one in regions]
        if all(allowed_in(*one) is False for one in named):
            there = " or ".join(dict.fromkeys(one.jurisdiction for one in regions))
            return Unresolved(
                f"{short('='.join(label))} is in {there}, and the other words mean "
                f"{site.entry.name}, which is in {law}",
                f"correct the label, or the place; if both hold, name the label in a match of "
                f"{site.entry.name} in {project.path}",
                place,
            )
    return None


def _all_words(where: Where, path: str) -> Iterable[PlaceWords]:
    """Yield the words of each place where it may run: one for each allowed set of labels."""
    # no values: the label is there, whatever it says
    choices = [
        [(stated.value[0], value) for value in stated.value[1] or (None,)]
        for stated in where.any_of
    ]
    fixed = tuple(stated.value for stated in where.labels)
    for chosen in product(*choices):
        labels = (*fixed, *chosen)
        nodes = [value for label, value in labels if label == NODE_NAME]
        yield PlaceWords(
            labels,
            _value(where.node) or next(iter(nodes), None),
            _value(where.group),
            _value(where.instance_type),
            _value(where.platform),
            path,
        )


def _left_open(words: PlaceWords, where: Where, fitting: Sequence[SiteMatch]) -> str | None:
    """Return what is filled in later and no match that fits names to the letter; None: nothing.

    It may become a word of another site, whatever the words beside it say. What lies at the path
    of a match runs there whatever its words are.
    """
    if any(one.path is not None for one in fitting):
        return None
    said = [text for label in words.labels for text in label]
    said += [words.node, words.group, words.instance_type, words.platform]
    said += [one.value for one in where.unread]
    templates = [one for text in said if text is not None for one in templates_in(text)]
    named = [literal(text) for one in fitting for text in one.texts] if templates else []
    return next((one for one in templates if all(one not in text for text in named)), None)


def _value(stated: Stated[str] | None) -> str | None:
    return None if stated is None else stated.value


def placed_ways(
    deployed: Deployed, site: DeclaredSite | Unresolved, project: Project, path: str
) -> tuple[Egress, ...]:
    """Return the ways out: parts of the same deployment are one where they run on another site.

    Of a deployment whose own site is not known, theirs says nothing.
    """
    ways: list[Egress] = []
    for way in deployed.egress:
        if way.where is None:
            ways.append(way)
        elif way.kind == "worker":  # of the cloud, unless its own words place it on the site
            if not _is_placed_on(site, deployed, way.where, project, path):
                ways.append(replace(way, where=None))
        elif not isinstance(site, Unresolved):
            there = site_of(replace(deployed, where=way.where), project, path)
            if isinstance(there, Unresolved):
                ways.append(way)
            elif there.entry.name != site.entry.name:
                at = way.to.place if way.where.is_silent else there.place
                to = replace(way.to, place=at)
                ways.append(replace(way, to=to, where=None, site=there.entry.name))
    return tuple(ways)


def _is_placed_on(
    site: DeclaredSite | Unresolved, deployed: Deployed, where: Where, project: Project, path: str
) -> bool:
    """Tell whether words beyond the tier lead to the site of something else of the deployment."""
    if isinstance(site, Unresolved) or replace(where, tier=None).is_silent:
        return False
    there = site_of(replace(deployed, where=where), project, path)
    return isinstance(there, DeclaredSite) and there.entry.name == site.entry.name


def place_of_site(deployed: Deployed) -> Place:
    """Return the smallest key that says where something runs; its name if none does."""
    where = deployed.where
    said = [
        *(one.place for one in (where.node, where.group, where.instance_type) if one is not None),
        *(one.place for one in where.labels),
        *(one.place for one in where.any_of),
        *(one.place for one in where.unread),
        *(one.place for one in (where.platform, where.tier) if one is not None),
    ]
    return said[0] if said else deployed.place


def words_of_place(deployed: Deployed) -> list[str]:
    """Return all that a manifest says of the place, as messages tell it."""
    return [one.value for one in _said(deployed.where)]


def _said(where: Where) -> Iterator[Stated[str]]:
    """Yield all that a manifest says of the place, as messages tell it, with where it does."""
    for label in where.labels:
        yield Stated("=".join(label.value), label.place)
    for one in where.any_of:
        yield Stated(words_of_label(*one.value), one.place)
    for name, stated in (
        ("node", where.node),
        ("group", where.group),
        ("instance type", where.instance_type),
        ("platform", where.platform),
        ("tier", where.tier),
    ):
        if stated is not None:
            yield Stated(f"{name} {stated.value}", stated.place)
    yield from where.unread


def _no_site(deployed: Deployed, project: Project, path: str) -> Unresolved:
    said = words_of_place(deployed)
    template = next((one for text in said for one in templates_in(text)), None)
    if template is not None:
        return _filled_in_later(deployed, template)
    entry = f"add to a site in {project.path}: match: [{_match_of(deployed.where, path)}]"
    if not said:
        reason, place = _undecided(deployed.where)
        named = "" if deployed.format in PLACELESS else "name it in the manifest, or "
        return Unresolved(reason, f"{named}{entry}", place)
    return Unresolved(f"no site of {project.path} matches {short(', '.join(said))}", entry)


def _undecided(where: Where) -> tuple[str, Place | None]:
    """Return what a manifest says of the place that decides nothing, and where it does."""
    against = [
        Stated(words_of_label(*one.value, is_wanted=False), one.place) for one in where.none_of
    ]
    told = []
    if against:
        words = short(", ".join(one.value for one in against))
        told.append(f"only where it does not run ({words}), which leaves all other nodes")
    if where.either:
        words = short("; or ".join(one.value for one in where.either))
        told.append(f"several terms of which one is enough ({words}), and no label is in all")
    if not told:
        return "the manifest says nothing of the place", None
    return f"the manifest says {', and '.join(told)}", (*against, *where.either)[0].place


def _filled_in_later(deployed: Deployed, template: str) -> Unresolved:
    told = short(", ".join(words_of_place(deployed)))
    place = next((one.place for one in _said(deployed.where) if template in one.value), None)
    return Unresolved(f"{told}: {short(template)} is not rendered", render_of(deployed), place)


def _match_of(where: Where, path: str) -> str:
    """Return the matches that mean what a manifest says of the place, as ``placer.yaml`` has them.

    There is no word for the tier, which a format says by itself: what says no more is meant by
    its path.
    """
    platform = None if where.labels or where.any_of else where.platform
    matches = []
    for words in islice(_all_words(where, path), MAX_TOLD_MATCHES):
        told = [
            f"{_quoted(key)}: {_quoted(value) if value else _ANY}"
            for key, value in words.labels
            if key != NODE_NAME
        ]
        parts = [f"labels: {{{', '.join(told)}}}"] if told else []
        parts += [
            f"{name}: {_quoted(value)}"
            for name, value in (
                ("node", words.node),
                ("group", words.group),
                ("instance_type", None if told else words.instance_type),
                ("platform", _value(platform)),
            )
            if value is not None
        ]
        matches.append(f"{{{', '.join(parts) or f'path: {_quoted(path)}'}}}")
    return short(", ".join(matches))


def _quoted(text: str) -> str:
    """Return the glob of a text as a flow mapping of YAML takes it, in quotes where needed."""
    if re.fullmatch(r"[A-Za-z_][\w./-]*", text) and text.lower() not in _YAML_WORDS:
        return text
    return glob_of(text)
