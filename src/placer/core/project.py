"""What a project says of its deployments: which model a name means, which site a label means.

``files.project`` reads it from ``placer.yaml``. Globs of paths are relative to its folder. Nothing
is guessed: what no entry matches, and what several match, stays unresolved, and says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from placer.core.climbing import climbs, without_climbing
from placer.core.deployment import Deployed, Place, Stated, Suppression, Tier
from placer.core.environment import NETWORK_MAX_AGE_DAYS, CloudOffer, Device
from placer.core.globs import glob_of, globbed, literal
from placer.core.rendering import image_may_be, render_of

MAX_TEXT = 4096
"""Characters of a name that is looked up; a longer one is none (paths end here as well)."""
MAX_QUOTED = 200
TEMPLATE = re.compile(
    r"\{\{(?:[^{}]|\{(?!\{)|\}(?!\}))*(?:\}\})?|\{%(?:[^%]|%(?!\}))*(?:%\})?"
    r"|\$\{[^{}]*\}?|\$\([^()]*\)?|\$\[[^\[\]]*\]?|\$(?!upstream\b)[A-Za-z_]\w*"
    r"|<%[^%]*(?:%>)?|<[A-Za-z][\w.-]*>|\[\[[^\[\]]*(?:\]\])?|\(\(\s*[\w./-]+\s*\)\)"
    r"|#\{[^{}]*\}?#?|__[A-Z][A-Z0-9_]*__|@[A-Za-z_][\w.-]*@"
    r"|%(?![0-9A-Fa-f]{2}%)[A-Za-z_]\w*%"
    r"|\{(?:BUCKET_NAME|COMPONENT_(?:NAME|VERSION|AUTHOR))\}"
    r"|\{[A-Za-z][\w.-]*:artifacts:[A-Za-z]+\}"
    r"|(?<=/)(?:BUCKET_NAME|COMPONENT_(?:NAME|VERSION))(?=/|$)"
)
"""What something else fills in before it is deployed: Helm, Jinja, ``${X}``, ``$(X)``, ``$X``;
``<%= x %>``, ``<x>``, ``[[ x ]]``, ``((x))``, ``#{x}#``, ``__X__``, ``@x@``, ``%x%``; of the
development kit of Greengrass ``{BUCKET_NAME}`` and ``/BUCKET_NAME/``, of its
recipes what another component brings, ``{NAME:artifacts:path}``.

``$upstream`` is what IoT Edge calls the cloud."""
_MARK = re.compile(r"[{$<%@]|__|\[\[|\(\(|/(?:BUCKET|COMPONENT)_")


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

    @property
    def texts(self) -> tuple[str, ...]:
        """All words that it names."""
        labels = (text for pair in self.labels for text in pair)
        said = (self.node, self.group, self.instance_type, self.platform)
        return (*labels, *(one for one in said if one is not None))

    def fits(self, words: PlaceWords) -> bool:
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
    """``request``, ``answer`` or ``all``: what goes there, where the manifest leaves it open;
    None: not stated."""


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

    def site_named(self, name: str) -> SiteEntry:
        """Return one of its sites."""
        return next(one for one in self.sites if one.name == name)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """What could not be looked up, and what to do."""

    reason: str
    remedy: str
    place: Place | None = None
    """The key that leaves it open; None: no single one does."""


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
class PlaceWords:
    """What a manifest says of one place."""

    labels: tuple[tuple[str, str | None], ...]
    """None: whatever the label says."""
    node: str | None
    group: str | None
    instance_type: str | None
    platform: str | None
    path: str


def names(pattern: str, text: str) -> bool:
    """Tell whether a glob of the project means a text of a manifest.

    Nobody knows what a template becomes: one is meant only where the glob says it to the letter.
    Some readers climb by ``..`` in a path and others take it for a name: the glob must fit both.
    """
    if len(text) > MAX_TEXT or not globbed(text, pattern):
        return False
    letters = literal(pattern)
    if text != letters and climbs(text):
        climbed = without_climbing(text)
        if climbed is None or not globbed(climbed, pattern):
            return False
    return all(one in letters for one in templates_in(text))


def templates_in(text: str) -> list[str]:
    """Return what of a text is filled in later: ``{{ .Values.x }}``, ``${X}``, ``__X__``."""
    return TEMPLATE.findall(text) if _MARK.search(text) else []


def _names_label(pattern: str, value: str | None) -> bool:
    if value is None:  # nobody knows: only what means any value does
        return pattern.strip("*") == "" != pattern
    return names(pattern, value)


def short(text: str) -> str:
    """Return a text of a manifest as messages quote it."""
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
        said = " and ".join(f"'{short(one)}'" for one in annotated)
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
        return Unresolved(f"the name {short(deployed.id)} is not rendered", render_of(deployed))
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
    unclear = None if deployed.models else unclear_image(deployed, project, known)
    if unclear is not None:
        return unclear
    if found and not unknown:
        return _one(
            {entry.workload for entry, _ in found}, "models", found[0][1], deployed, project
        )
    if not deployed.models:
        return _unnamed_image(deployed, project) if deployed.is_server else None
    uri = short(unknown[0])
    hidden = next((model.hidden for model in unnamed if model.hidden), "")
    if hidden:
        return Unresolved(
            f"{hidden}: which model that is, is not known",
            f"name it in the manifest, or say in {project.path} which it is: "
            f"deployments: [{{id: {glob_of(deployed.id)}, workload: NAME}}]",
        )
    template = next(iter(templates_in(unknown[0])), None)
    if template is not None:
        return Unresolved(
            f"the model {uri} holds {short(template)}, not rendered", render_of(deployed)
        )
    if climbs(unknown[0]):
        return Unresolved(
            f"the model {uri} climbs by '..', and no entry of `models` in {project.path} fits what "
            "it may lead to",
            f"name it without '..', or add to {project.path} under models: "
            f"{{uri: {glob_of(uri)}, workload: NAME}}",
        )
    return Unresolved(
        f"no entry of `models` in {project.path} fits {uri}",
        f"add to {project.path} under models: {{uri: {glob_of(uri)}, workload: NAME}}",
    )


def _unnamed_image(deployed: Deployed, project: Project) -> Unresolved:
    """Return that of something that runs a model nobody says which image holds it."""
    images = ", ".join(dict.fromkeys(short(one.value) for one in deployed.images))
    return Unresolved(
        f"{deployed.kind} '{short(deployed.name)}' runs a model, and no entry of `models` in "
        f"{project.path} fits {images}",
        f"add to {project.path} under models: {{uri: 'IMAGE', workload: NAME}}",
    )


def unclear_image(deployed: Deployed, project: Project, known: set[str]) -> Unresolved | None:
    """Return that an image which is filled in later may be one of the project."""
    for image in deployed.images:
        template = next(iter(templates_in(image.value)), None)
        if template is None or image.value in known:
            continue
        parts = TEMPLATE.split(image.value[:MAX_TEXT])
        if any(image_may_be(parts, entry.uri, deployed.format) for entry in project.models):
            told = f"the image {short(image.value)} holds {short(template)}, not rendered"
            return Unresolved(told, render_of(deployed))
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
