"""Artefacts of Greengrass components: models, images, archives, and paths that lead to them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from placer.core.deployment import ModelRef, Stated
from placer.manifests.models import hidden_model, is_model_file, model_of
from placer.manifests.nodes import Field

_DOCKER = "docker:"
_NO_MODELS = (".py", ".pyc", ".sh", ".js", ".whl", ".pem", ".crt", ".cer", ".key")
"""Ends of artifacts that hold code or a certificate; any other may be or hold a model."""
_REFERENCE = re.compile(
    r"\{(?:(?P<component>[^{}:]+):)?artifacts:(?P<kind>path|decompressedPath)\}(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
"""A path in the folder of a component's artefacts, or of what its archives hold."""
_ARCHIVE = re.compile(r"\.(?:zip|tar|tgz|tar\.\w{1,4})$", re.IGNORECASE)

Recipes = Mapping[str, Sequence[Field]]
"""Name of a component -> its recipes, one for each version."""


def from_component(model: ModelRef, manifest: Field, recipes: Recipes) -> list[ModelRef] | None:
    """Return what a path in the artefacts of another component is; None: it is no such path.

    Where that component, or the artefact, is not among what is read, nobody knows.

    Parameters
    ----------
    manifest
        Of the component that names the path: of another one that for the same platform counts.
    """
    match = None if model.hidden else _REFERENCE.fullmatch(model.uri.value)
    if match is None or match["component"] is None:
        return None
    name = match["component"]
    found = [
        new
        for recipe in recipes.get(name, ())
        for one in _fitting(recipe, manifest)
        for new in _at(one, model, match)
    ]
    if found:
        return found
    why = f"{model.uri.value[:80]} is an artefact of {name[:60]}, which is not among what is read"
    return [hidden_model(model.uri.value, model.uri.place, why, told=model.uri.value)]


def from_archive(model: ModelRef, manifest: Field, *, is_file: bool) -> list[ModelRef]:
    """Return a path in the component's own artefacts as the artefact and the path within it.

    Parameters
    ----------
    is_file
        Whether an artefact has the name of the file: it is that, where no archive is named.
    """
    match = None if model.hidden else _REFERENCE.fullmatch(model.uri.value)
    if match is None or match["component"] is not None:
        return [model]
    return [*_at(manifest, model, match, is_file=is_file)] or [model]


def _fitting(recipe: Field, manifest: Field) -> list[Field]:
    """Return the manifests of a recipe for the platform of another one; else all."""
    manifests = [*recipe.at("Manifests").items()]
    platform = manifest.at("Platform").dump()
    return [one for one in manifests if one.at("Platform").dump() == platform] or manifests


def _at(
    manifest: Field, model: ModelRef, match: re.Match[str], *, is_file: bool = False
) -> Iterator[ModelRef]:
    """Yield the artefacts that a path may lead to: each archive, where it names none of them."""
    rest = match["rest"].replace("\\", "/").strip("/")
    told = [
        (stated, artifact)
        for artifact in manifest.at("Artifacts").items()
        if (stated := artifact.at("Uri").stated()) is not None
        and not stated.value.startswith(_DOCKER)
    ]
    if match["kind"].lower() == "path":
        for stated, artifact in told:
            if _name(stated) == rest or (not rest and _may_hold(stated)):
                yield _whole(stated, artifact)
        return
    packed = [one for one in told if _may_hold(one[0]) and not is_model_file(one[0].value)]
    unpacked = [
        one for one in packed if (one[1].at("Unarchive").text() or "NONE").upper() != "NONE"
    ]
    first, _, within = rest.partition("/")
    named = [one for one in unpacked or packed if _ARCHIVE.sub("", _name(one[0])) == first]
    if is_file and not named:
        return
    for stated, _ in named or unpacked or packed:
        path = within if named else rest
        uri = f"{stated.value}/{path}" if path else stated.value
        yield model_of(replace(model.uri, value=uri))


def _name(stated: Stated[str]) -> str:
    return stated.value.rpartition("/")[2]


def _may_hold(stated: Stated[str]) -> bool:
    return not stated.value.lower().endswith(_NO_MODELS)


def _whole(stated: Stated[str], artifact: Field) -> ModelRef:
    model = model_of(stated)
    return replace(model, sha256=model.sha256 or _sha256(artifact))


def artifacts_of(manifest: Field) -> Iterator[ModelRef]:
    """Yield the artefacts of a component that are a model's file."""
    for artifact in manifest.at("Artifacts").items():
        stated = artifact.at("Uri").stated()
        if stated is not None and is_model_file(stated.value):
            yield _whole(stated, artifact)


def _sha256(artifact: Field) -> str | None:
    """Return the digest that the cloud writes into a recipe: base64 of SHA-256."""
    text, algorithm = artifact.at("Digest").text(), artifact.at("Algorithm").text() or "SHA-256"
    if text is None or algorithm.upper() != "SHA-256":
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 32 else None


def images_of(manifest: Field) -> Iterator[tuple[Stated[str], bool]]:
    """Yield what may hold a model, images and archives, and whether a digest beside it pins it."""
    for artifact in manifest.at("Artifacts").items():
        stated = artifact.at("Uri").stated()
        if stated is None or is_model_file(stated.value):
            continue
        if _may_hold(stated):
            is_pinned = _sha256(artifact) is not None
            yield replace(stated, value=stated.value.removeprefix(_DOCKER)), is_pinned
