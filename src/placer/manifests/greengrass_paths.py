"""What lies at the path of a model of a Greengrass component: an artefact, or what scripts put."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import ModelRef, Stated
from placer.manifests.fetching import brought, is_at, writing_to
from placer.manifests.fetching_tools import COPYING, TO_THE_LAST
from placer.manifests.greengrass_artifacts import from_archive
from placer.manifests.models import Sources, is_model_file, model_of
from placer.manifests.mounts import is_absolute, normal_path, path_of
from placer.manifests.nodes import Field
from placer.manifests.steps import Program, Read, Scripts, Step, paths_in

_VARIABLE = re.compile(
    r"\{(?:[^{}:\s]+:)?(?:artifacts:path|artifacts:decompressedPath|work:path|kernel:rootPath)\}",
    re.IGNORECASE,
)
"""It stands for a folder: ``{artifacts:path}``, ``{other.component:work:path}``."""
_WORK = "/{work:path}"
"""Where scripts run."""
_ARTIFACTS = re.compile(r"/\{(?:[^{}:\s]+:)?artifacts:")
_INSTALLED = "/packages/artifacts"
"""Part of the path of artefacts that is written out."""


@dataclass(frozen=True, slots=True)
class Lying:
    """A component's scripts and artefacts."""

    component: str
    manifest: Field
    sources: Sources
    """Its artefacts, and those of others."""
    programs: Sequence[Program]
    scripts: Scripts

    def at(self, model: ModelRef) -> list[ModelRef]:
        """Return what scripts put at the path of a model, else the artefact that it is."""
        put = self._put_at(model)
        if put or self._is_elsewhere(model):
            return put or [model]
        return self.artefacts(model)

    def artefacts(self, model: ModelRef) -> list[ModelRef]:
        """Return the artefacts that a path may be; of none of them the path."""
        named = from_archive(model, self.manifest, is_file=bool(self.sources.of(model)))
        return [new for one in named for new in self.sources.of(one) or [one]]

    def is_but_written(self, model: ModelRef, models: Iterable[ModelRef]) -> bool:
        """Tell whether scripts write a path and name it nowhere else, and read an artefact.

        Parameters
        ----------
        models
            Others that are named: one is the artefact of this name, where that lies.
        """
        path, got = self._path_of(model), self.sources.of(model)
        read = (
            _ARTIFACTS.match(self._path_of(one)) for one in models if self.sources.of(one) == got
        )
        if not got or _ARTIFACTS.match(path) or not any(read):
            return False
        steps = [step for one in self.programs for step in self.scripts.read(one).steps or ()]
        if not self.scripts.may_compare(len(steps)):
            return False
        naming = [
            one
            for one in steps
            if path in map(normal_path, paths_in(" ".join([one.run.text, *one.run.written])))
        ]
        return bool(naming) and all(path in one.said for one in naming)

    def _path_of(self, model: ModelRef) -> str:
        """Return the path of a model as it is compared; empty: it is named otherwise."""
        return path_of(as_paths(model.uri.value, self.component)) or ""

    def _is_elsewhere(self, model: ModelRef) -> bool:
        """Tell whether a path surely lies in no folder of artefacts."""
        path = self._path_of(model)
        is_said = is_absolute(path) and "$" not in path
        return is_said and not _ARTIFACTS.match(path) and _INSTALLED not in path

    def _put_at(self, model: ModelRef) -> list[ModelRef]:
        """Return the models that scripts put at the path of one: copies of artefacts are those.

        Where an artefact has its name, a script changes it that says so.
        """
        path = self._path_of(model)
        is_named = bool(self.sources.of(model))
        found: list[ModelRef] = []
        for one in self.programs if path else ():
            read = self.scripts.read(one)
            if read.steps is None or not self.scripts.may_compare(read.effort):
                found += brought(one, path, scripts=self.scripts)
                continue
            writing = set(map(id, writing_to(path, read)))
            copied = [
                files
                for step in read.writing
                if _names(step, path, read)
                and ((files := _copied(step, path, read)) is not None or id(step) in writing)
            ]
            found += [
                model_of(replace(model.uri, value=file)) for files in copied for file in files or ()
            ]
            if None in copied:
                found += brought(one, path, scripts=self.scripts)
            elif not (copied or is_named):
                found += brought(replace(one, image=model.uri), path, scripts=self.scripts)
        return [
            new
            for one in found
            if one.uri.value != model.uri.value
            for new in (self._copies(one) if _ARTIFACTS.match(one.uri.value) else [one])
        ]

    def _copies(self, model: ModelRef) -> Iterator[ModelRef]:
        """Yield the artefacts of which a file is a copy, as far as they are known."""
        said = replace(model.uri, value=model.uri.value.removeprefix("/"))
        yield from (one for one in self.artefacts(model_of(said)) if one.uri != said)


def program_of(script: Stated[str], component: str) -> Program:
    """Return a script of a component, in whose words variables for folders begin a path."""
    return Program(
        "script", (replace(script, value=as_paths(script.value, component)),), script.place
    )


def as_paths(text: str, component: str) -> str:
    """Return a text in which each variable for a folder begins a path that can be compared.

    So does the folder in which the component's artefacts are installed.
    """
    text = _VARIABLE.sub(lambda one: f"/{one.group().lower()}", text)
    if _INSTALLED not in text or not component:
        return text
    own = rf"/[\w./:{{}}-]*{_INSTALLED}(-unarchived)?/{re.escape(component)}/[^/\s\"']+"
    return re.sub(
        own, lambda one: f"/{{artifacts:{'decompressedpath' if one[1] else 'path'}}}", text
    )


def _names(step: Step, path: str, read: Read) -> bool:
    """Tell whether a program says that it writes to a path, or runs in a folder above it."""
    if not is_absolute(path):
        name = posixpath.basename(path)
        return any(posixpath.basename(one) == name for one in (*step.run.words, *step.run.written))
    folders = read.folders or (_WORK,)
    here = folders if step.is_here else ()
    if step.is_to_last and step.run.words:  # the target may be a relative path
        here = tuple(normal_path(posixpath.join(one, step.run.words[-1])) for one in folders)
    return any(is_at(one, path) for one in (*here, *step.said))


def _copied(step: Step, path: str, read: Read) -> list[str] | None:
    """Return the artefacts that are copied to a path, none of an archive; None: it is another."""
    if step.run.program not in COPYING or step.run.written:
        return None
    folder = read.folders[0] if len(read.folders) == 1 else _WORK
    if step.run.program not in TO_THE_LAST:
        sources = [one for one in step.named if one not in step.said or _ARTIFACTS.match(one)]
        return [] if all(map(_ARTIFACTS.match, sources or [folder])) else None
    words = [one for one in step.run.words if not one.startswith("-") and not one.isdigit()]
    found = [normal_path(posixpath.join(folder, one)) for one in words[:-1]]
    if not found or not all(map(_ARTIFACTS.match, found)):
        return None
    return [_file(one, path) for one in found]


def _file(source: str, path: str) -> str:
    """Return the file that becomes a path: of a folder that is copied, the one of its name."""
    if is_model_file(source) and "*" not in source:
        return source
    folder = posixpath.dirname(source) if "*" in source else source
    return posixpath.join(folder, posixpath.basename(path))
