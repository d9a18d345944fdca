"""What a project says of its deployments: which model a name means, which site a label means.

``files.project`` reads it from ``placer.yaml``. Globs of paths are relative to its folder. Nothing
is guessed: what no entry matches, and what several match, stays unresolved, and says why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, product

from placer.core.climbing import climbs, without_climbing
from placer.core.deployment import Deployed, Egress, Place, Stated, Suppression, Tier, Where
from placer.core.environment import NETWORK_MAX_AGE_DAYS, CloudOffer, Device

NODE_NAME = "metadata.name"
"""What a term of node affinity calls the node's name."""
MAX_LABEL_SETS = 64
"""Sets of labels that a node may have, of one manifest, that are looked up."""
MAX_TOLD_MATCHES = 4
MAX_TEXT = 4096
"""Characters of a name that is looked up; a longer one is none (paths end here as well)."""
MAX_QUOTED = 200
TEMPLATE = re.compile(
    r"\{\{(?:[^{}]|\{(?!\{)|\}(?!\}))*(?:\}\})?|\{%(?:[^%]|%(?!\}))*(?:%\})?"
    r"|\$\{[^{}]*\}?|\$\([^()]*\)?|\$\[[^\[\]]*\]?|\$(?!upstream\b)[A-Za-z_]\w*"
    r"|<%[^%]*(?:%>)?|<[A-Za-z][\w.-]*>|\[\[[^\[\]]*(?:\]\])?|\(\(\s*[\w./-]+\s*\)\)"
    r"|#\{[^{}]*\}?#?|__[A-Z][A-Z0-9_]*__|@[A-Za-z_][\w.-]*@"
    r"|%(?![0-9A-Fa-f]{2}%)[A-Za-z_]\w*%"
)
"""What something else fills in before it is deployed: Helm, Jinja, ``${X}``, ``$(X)``, ``$X``;
``<%= x %>``, ``<x>``, ``[[ x ]]``, ``((x))``, ``#{x}#``, ``__X__``, ``@x@``, ``%x%``.

``$upstream`` is what IoT Edge calls the cloud."""
_MARK = re.compile(r"[{$<%@]|__|\[\[|\(\(")
_RENDER = "check it as it is rendered: `helm template CHART | placer check -`, `oc process`"


@dataclass(frozen=True, slots=True)
class SiteMatch:
    """Words of a manifest that mean a site: all that are given must fit. Texts are globs."""

    labels: tuple[tuple[str, str], ...] = ()
    node: str | None = None
    group: str | None = None
    instance_type: str | None = None
    platform: str | None = None
    path: str | None = None
    """Of the manifest: everything in it, whatever it says of the place."""

    def fits(self, words: _Words) -> bool:
        """Tell whether a place that is described by these words is meant."""
        labels = dict(words.labels)
        pairs = (
            (self.node, words.node),
            (self.group, words.group),
            (self.instance_type, words.instance_type),
            (self.platform, words.platform),
            (self.path, words.path),
        )
        return all(
            label in labels and _names_label(value, labels[label]) for label, value in self.labels
        ) and all(
            pattern is None or (text is not None and names(pattern, text))
            for pattern, text in pairs
        )


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """One site: a device at the edge or an offer in the cloud, and the words that mean it."""

    name: str
    tier: Tier
    device: Device | None
    """At the edge."""
    offer: CloudOffer | None
    """In the cloud."""
    jurisdiction: str | None
    """Where the site stands; None: not stated."""
    runtime: str | None
    """``onnxruntime 1.24``: what the site runs; None: not stated."""
    matches: tuple[SiteMatch, ...]

    @property
    def region(self) -> str | None:
        """The provider's name of the region; None: at the edge, or not known."""
        return None if self.offer is None else self.offer.region

    @property
    def law(self) -> str | None:
        """The jurisdiction, of an offer that of its region where the entry states none."""
        if self.jurisdiction is None and self.offer is not None:
            return self.offer.jurisdiction
        return self.jurisdiction


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A URI, an image or a name of a model (a glob), and the workload that it serves."""

    uri: str
    workload: str
    sha256: str | None = None
    """Of the bytes that lie there; None: not stated."""


@dataclass(frozen=True, slots=True)
class DeploymentEntry:
    """Things that are deployed, chosen by path and id (globs), and the workload they serve."""

    path: str | None
    id: str | None
    workload: str


@dataclass(frozen=True, slots=True)
class EgressEntry:
    """A receiver of data: a glob of its URL, topic or name, and what is known of it."""

    to: str
    jurisdiction: str | None
    """The law that holds there; None: not stated."""
    carries: str | None
    """``request``, ``answer`` or ``all``: what really goes there; None: as the format says."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """What all entries of a project together say of one receiver of data."""

    jurisdiction: str | None
    """None: no entry states it, or they differ."""
    carries: str | None
    """Likewise."""
    disputed: tuple[str, ...] = ()
    """``jurisdiction (DE, US)``: in what the entries differ."""


@dataclass(frozen=True, slots=True)
class SuppressionEntry:
    """A wish of the project that a rule be silent in a file, as a comment of the file would be."""

    rule: str
    path: str
    """A glob."""
    pointer: str | None
    """JSON pointer: only there and below, in each document of the file."""
    suppression: Suppression
    id: str | None = None
    """Of what is deployed (a glob); None: all, and what is of no deployment."""


@dataclass(frozen=True, slots=True)
class Project:
    """All that ``placer.yaml`` says."""

    path: str
    sites: tuple[SiteEntry, ...] = ()
    models: tuple[ModelEntry, ...] = ()
    deployments: tuple[DeploymentEntry, ...] = ()
    egress: tuple[EgressEntry, ...] = ()
    suppressions: tuple[SuppressionEntry, ...] = ()
    max_age_days: float = 90.0
    """Of measurements of models."""
    network_max_age_days: float = NETWORK_MAX_AGE_DAYS


@dataclass(frozen=True, slots=True)
class Unresolved:
    """What could not be looked up, and what to do."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class DeclaredSite:
    """The site that a manifest declares."""

    entry: SiteEntry
    place: Place
    """The words that say so."""


@dataclass(frozen=True, slots=True)
class DeclaredWorkload:
    """The workload that a deployment serves."""

    name: str
    uri: Stated[str] | None
    """The name of the model that led to it; None: chosen by path, id or annotation."""
    sha256: str | None
    """Of the model, where manifest or project state it."""
    file: str | None = None
    """The model's file relative to the project, where `models` names it."""


@dataclass(frozen=True, slots=True)
class _Words:
    labels: tuple[tuple[str, str | None], ...]
    """None: whatever the label says."""
    node: str | None
    group: str | None
    instance_type: str | None
    platform: str | None
    path: str


def globbed(text: str, pattern: str) -> bool:
    """Tell whether a glob fits a whole text: ``*`` any characters, ``?`` one; case counts.

    Of several stars only the last is tried again, so that no pattern takes exponential time.
    """
    at = to = 0
    star, mark = -1, 0
    while at < len(text):
        if to < len(pattern) and pattern[to] == "*":
            star, mark = to, at
            to += 1
        elif to < len(pattern) and pattern[to] in ("?", text[at]):
            at, to = at + 1, to + 1
        elif star >= 0:
            mark += 1
            at, to = mark, star + 1
        else:
            return False
    return all(character == "*" for character in pattern[to:])


def names(pattern: str, text: str) -> bool:
    """Tell whether a glob of the project means a text of a manifest.

    Nobody knows what a template becomes: one is meant only where the glob says it to the letter.
    Some readers climb by ``..`` in a path and others take it for a name: the glob must fit both.
    """
    if len(text) > MAX_TEXT or not globbed(text, pattern):
        return False
    if text != pattern and climbs(text):
        climbed = without_climbing(text)
        if climbed is None or not globbed(climbed, pattern):
            return False
    return all(one in pattern for one in templates_in(text))


def templates_in(text: str) -> list[str]:
    """Return what of a text is filled in later: ``{{ .Values.x }}``, ``${X}``, ``__X__``."""
    return TEMPLATE.findall(text) if _MARK.search(text) else []


def _names_label(pattern: str, value: str | None) -> bool:
    if value is None:  # nobody knows: only what means any value does
        return pattern.strip("*") == "" != pattern
    return names(pattern, value)


def _short(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


def workload_of(
    deployed: Deployed, project: Project, path: str
) -> DeclaredWorkload | Unresolved | None:
    """Return the workload that something deployed serves; None: nothing says that it is a model.

    An annotation ``placer/workload`` goes before ``deployments``, those before ``models``.

    Parameters
    ----------
    path
        Of the manifest, relative to the folder of the project.
    """
    annotated = sorted(
        {s.value[1] for s in deployed.annotations if s.value[0] == "placer/workload"}
    )
    if len(annotated) > 1:
        said = " and ".join(f"'{_short(one)}'" for one in annotated)
        return Unresolved(f"annotations placer/workload say {said}", "leave the right one")
    if annotated:
        return _with_digest(annotated[0], None, deployed, project)
    choosing = [
        entry
        for entry in project.deployments
        if (entry.path is None or globbed(path, entry.path))
        and (entry.id is None or globbed(deployed.id, entry.id))
    ]
    if any(entry.id is not None and not names(entry.id, deployed.id) for entry in choosing):
        return Unresolved(f"the name {_short(deployed.id)} is not rendered", _RENDER)
    if choosing:
        chosen = {entry.workload for entry in choosing}
        return _one(chosen, "deployments", None, deployed, project)
    texts = [model.uri for model in deployed.models] or list(deployed.images)
    found = [
        (entry, text) for text in texts for entry in project.models if names(entry.uri, text.value)
    ]
    known = {text.value for _, text in found}
    unnamed = [model for model in deployed.models if model.uri.value not in known]
    unknown = [model.uri.value for model in unnamed]
    unclear = None if deployed.models else unclear_image(deployed.images, project, known)
    if unclear is not None:
        return unclear
    if found and not unknown:
        return _one(
            {entry.workload for entry, _ in found}, "models", found[0][1], deployed, project
        )
    if not deployed.models:
        return None
    uri = _short(unknown[0])
    hidden = next((model.hidden for model in unnamed if model.hidden), "")
    if hidden:
        return Unresolved(
            f"{hidden}: which model that is, is not known",
            f"name it in the manifest, or say in {project.path} which it is: "
            f"deployments: [{{id: '{deployed.id}', workload: NAME}}]",
        )
    template = next(iter(templates_in(unknown[0])), None)
    if template is not None:
        return Unresolved(f"the model {uri} holds {_short(template)}, not rendered", _RENDER)
    if climbs(unknown[0]):
        return Unresolved(
            f"the model {uri} climbs by '..', and no entry of `models` in {project.path} fits what "
            "it may lead to",
            f"name it without '..', or add to {project.path} under models: "
            f"{{uri: '{uri}', workload: NAME}}",
        )
    return Unresolved(
        f"no entry of `models` in {project.path} fits {uri}",
        f"add to {project.path} under models: {{uri: '{uri}', workload: NAME}}",
    )


def unclear_image(
    images: Sequence[Stated[str]], project: Project, known: set[str]
) -> Unresolved | None:
    """Return that an image which is filled in later may be one of the project."""
    for image in images:
        template = next(iter(templates_in(image.value)), None)
        if template is None or image.value in known:
            continue
        begin = image.value.partition(template)[0]
        for entry in project.models:
            wanted = re.split(r"[*?]", entry.uri, maxsplit=1)[0]
            if begin.startswith(wanted) or wanted.startswith(begin):
                told = f"the image {_short(image.value)} holds {_short(template)}, not rendered"
                return Unresolved(told, _RENDER)
    return None


def _one(
    workloads: set[str],
    where: str,
    uri: Stated[str] | None,
    deployed: Deployed,
    project: Project,
) -> DeclaredWorkload | Unresolved:
    if len(workloads) == 1:
        return _with_digest(workloads.pop(), uri, deployed, project)
    return Unresolved(
        f"entries of `{where}` lead to several workloads: {', '.join(sorted(workloads))}",
        f"make the globs in {project.path} differ, or annotate placer/workload",
    )


def _with_digest(
    name: str, uri: Stated[str] | None, deployed: Deployed, project: Project
) -> DeclaredWorkload | Unresolved:
    # a digest in a URI is of an artefact of a registry, not of the model's file
    pinned = {
        model.sha256
        for model in deployed.models
        if model.sha256 is not None and "@sha256:" not in model.uri.value
    }
    stated = {
        entry.sha256
        for entry in project.models
        if entry.sha256 is not None
        for text in [model.uri for model in deployed.models] or deployed.images
        if names(entry.uri, text.value)
    }
    digests = pinned | stated
    if len(digests) > 1:
        told = ", ".join(sorted(digest[:12] for digest in digests))
        return Unresolved(
            f"several digests are stated for its model: {told}",
            f"state one: in the manifest, or in one entry of `models` in {project.path}",
        )
    if uri is None and len(deployed.models) == 1:
        uri = deployed.models[0].uri
    return DeclaredWorkload(name, uri, next(iter(digests), None))


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
    for words in _all_words(where, path):
        found = [entry for entry in project.sites if any(one.fits(words) for one in entry.matches)]
        if len(found) > 1 and where.tier is not None:  # a virtual machine may be an edge device
            found = [one for one in found if one.tier is where.tier.value] or found
        if not found:
            return _no_site(deployed, project, path)
        meant.update((entry.name, entry) for entry in found)
    if len(meant) == 1:
        return DeclaredSite(next(iter(meant.values())), place_of_site(deployed))
    if not meant:
        return _no_site(deployed, project, path)
    return Unresolved(
        f"it may run on several sites: {', '.join(sorted(meant))}",
        f"say more of the place in the manifest, or make the matches in {project.path} differ",
    )


def _all_words(where: Where, path: str) -> Iterable[_Words]:
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
        yield _Words(
            labels,
            _value(where.node) or next(iter(nodes), None),
            _value(where.group),
            _value(where.instance_type),
            _value(where.platform),
            path,
        )


def _value(stated: Stated[str] | None) -> str | None:
    return None if stated is None else stated.value


def place_of_site(deployed: Deployed) -> Place:
    """Return the smallest key that says where something runs; its name if none does."""
    where = deployed.where
    said = [
        *(one.place for one in (where.node, where.group, where.instance_type) if one is not None),
        *(one.place for one in where.labels),
        *(one.place for one in where.any_of),
        *(one.place for one in (where.platform, where.tier) if one is not None),
    ]
    return said[0] if said else deployed.place


def words_of_place(deployed: Deployed) -> list[str]:
    """Return all that a manifest says of the place, as messages tell it."""
    where = deployed.where
    said = [f"{key}={value}" for key, value in (one.value for one in where.labels)]
    for key, values in (one.value for one in where.any_of):
        said.append(f"{key} in {'|'.join(values)}" if values else f"{key} with any value")
    for name, stated in (
        ("node", where.node),
        ("group", where.group),
        ("instance type", where.instance_type),
        ("platform", where.platform),
        ("tier", where.tier),
    ):
        if stated is not None:
            said.append(f"{name} {stated.value}")
    return said


def _no_site(deployed: Deployed, project: Project, path: str) -> Unresolved:
    said = words_of_place(deployed)
    template = next((one for text in said for one in templates_in(text)), None)
    if template is not None:
        told = _short(", ".join(said))
        return Unresolved(f"{told}: {_short(template)} is not rendered", _RENDER)
    if not said:
        return Unresolved(
            "the manifest says nothing of the place",
            f"name it in the manifest, or add to a site in {project.path}: "
            f"match: [{_match_of(deployed.where, path)}]",
        )
    return Unresolved(
        f"no site of {project.path} matches {_short(', '.join(said))}",
        f"add to a site in {project.path}: match: [{_match_of(deployed.where, path)}]",
    )


def _match_of(where: Where, path: str) -> str:
    """Return the matches that mean what a manifest says of the place, as ``placer.yaml`` has them.

    There is no word for the tier, which a format says by itself: what says no more is meant by
    its path.
    """
    platform = None if where.labels or where.any_of else where.platform
    matches = []
    for words in islice(_all_words(where, path), MAX_TOLD_MATCHES):
        labels = [(key, value or "*") for key, value in words.labels if key != NODE_NAME]
        told = [f"{_quoted(key)}: {_quoted(value)}" for key, value in labels]
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
    return _short(", ".join(matches))


def _quoted(text: str) -> str:
    """Return text as a flow mapping of YAML takes it, in quotes where it needs them."""
    if re.fullmatch(r"[A-Za-z_][\w./-]*", text) and text.lower() not in _YAML_WORDS:
        return text
    return "'" + text.replace("'", "''") + "'"


_YAML_WORDS = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")


def receiver_of(egress: Egress, project: Project) -> Receiver:
    """Return what the project says of a receiver: each entry that fits adds what it states."""
    to = egress.to.value
    # a topic of a broker may begin with $
    is_topic = to.startswith("$") and not to.startswith(("$(", "${")) and not egress.is_open
    found = [
        entry
        for entry in project.egress
        if (globbed(to, entry.to) if is_topic else names(entry.to, to))
    ]
    laws = sorted({one.jurisdiction for one in found if one.jurisdiction is not None})
    carried = sorted({one.carries for one in found if one.carries is not None})
    return Receiver(
        laws[0] if len(laws) == 1 else None,
        carried[0] if len(carried) == 1 else None,
        tuple(
            f"{name} ({', '.join(stated)})"
            for name, stated in (("jurisdiction", laws), ("carries", carried))
            if len(stated) > 1
        ),
    )
