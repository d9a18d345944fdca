"""``placer.yaml``: what the names in a project's manifests mean.

It lies at the root of the project and is looked for upwards from what is checked. Paths in it are
relative to its folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from placer.core.deployment import Place, Suppression, Tier
from placer.core.errors import InputError, PlacerError, UsageError, near_match
from placer.core.project import (
    DeploymentEntry,
    EgressEntry,
    ModelEntry,
    Project,
    SiteEntry,
    SiteMatch,
    SuppressionEntry,
)
from placer.files import catalogue
from placer.files.positions import Document, Location, joined, read_yaml
from placer.files.project_spec import ProjectSpec, SiteSpec
from placer.files.validating import validate

FILE_NAME = "placer.yaml"
LOCK_NAME = "placer.lock"
EVIDENCE_FOLDER = "evidence"


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A project as it was read."""

    project: Project
    folder: str
    """Of the file, as typed; empty: the working directory."""
    workloads: Mapping[str, str]
    """Name -> file relative to the working directory, or a name of the catalogue."""
    model_files: Mapping[int, str]
    """Index in ``models`` -> file whose digest is locked."""
    site_files: tuple[str, ...]
    """Device and cloud files of the sites; a name of the catalogue is no file."""
    document: Document

    def near(self, path: str) -> str:
        """Return a path of the project relative to the working directory."""
        return os.path.join(self.folder, path) if self.folder else path  # noqa: PTH118  # as typed

    def within(self, path: str) -> str:
        """Return a path as typed relative to the folder of the project, with ``/``."""
        return path if path == "-" else Path(os.path.relpath(path, self.folder or ".")).as_posix()

    @property
    def lock_path(self) -> str:
        """Where the lock lies."""
        return self.near(LOCK_NAME)

    @property
    def evidence_folder(self) -> str:
        """Where evidence lies."""
        return self.near(EVIDENCE_FOLDER)


def find_project(start: str) -> str | None:
    """Return the path of the nearest ``placer.yaml`` at or above a path; None: there is none.

    Above the working directory it is given as ``../placer.yaml``.
    """
    folder = start if os.path.isdir(start) else os.path.dirname(start)  # noqa: PTH112, PTH120  # text
    found = nearest_project(os.path.realpath(folder), {})
    return None if found is None else os.path.relpath(found)


def nearest_project(folder: str, known: dict[str, str | None]) -> str | None:
    """Return the nearest ``placer.yaml`` in or above a folder; None: there is none.

    Parameters
    ----------
    folder
        A real path.
    known
        Folder -> answer, kept from one call to the next.
    """
    way = []
    here = folder
    while here not in known:
        way.append(here)
        path = os.path.join(here, FILE_NAME)  # noqa: PTH118  # thousands are asked for
        above = os.path.dirname(here)  # noqa: PTH120  # thousands are asked for
        if os.path.lexists(path):  # a pipe, a folder, a broken link: reading it says which
            known[here] = path
        elif above == here:
            known[here] = None
        else:
            here = above
    known.update(dict.fromkeys(way, known[here]))
    return known[folder]


def read_project(path: str) -> ProjectFile:
    """Read a ``placer.yaml``, its sites known to exist.

    Raises
    ------
    InputError
        The file is missing or unreadable.
    UsageError
        It says something wrong; told with its place.
    """
    document = read_yaml(path, hint=f"--project takes the path of a {FILE_NAME}")
    _refuse_workload(document)
    spec = validate(ProjectSpec, document)
    folder = os.path.dirname(path)  # noqa: PTH120  # a path is text as typed

    def near(text: str) -> str:
        is_file = "/" in text or text.partition("@")[0].endswith((".yaml", ".yml"))
        return joined(folder, text) if is_file else text

    def told(load: Any, *key: str | int) -> Any:
        try:
            return load()
        except PlacerError as error:
            kind = UsageError if isinstance(error, UsageError | InputError) else type(error)
            raise kind(f"{document.where(key)}: {error.message}", hint=error.hint) from error

    uses = [(("models", index), one.workload) for index, one in enumerate(spec.models)]
    uses += [(("deployments", index), one.workload) for index, one in enumerate(spec.deployments)]
    for key, name in uses:
        if name not in spec.workloads:
            raise UsageError(
                f"{document.where((*key, 'workload'))}: no workload '{name}'"
                f"{near_match(name, spec.workloads)}",
                hint=f"workloads of this file: {', '.join(spec.workloads)}",
            )
    return ProjectFile(
        project=Project(
            path=path,
            sites=tuple(_site(name, site, near, told) for name, site in spec.sites.items()),
            models=tuple(ModelEntry(one.uri, one.workload, one.sha256) for one in spec.models),
            deployments=tuple(
                DeploymentEntry(one.path, one.id, one.workload) for one in spec.deployments
            ),
            egress=tuple(EgressEntry(one.to, one.jurisdiction, one.carries) for one in spec.egress),
            suppressions=tuple(
                SuppressionEntry(
                    one.rule,
                    one.path,
                    one.pointer,
                    Suppression(
                        one.rule,
                        _place(document, ("suppressions", index)),
                        "file",
                        one.reason,
                        one.until,
                    ),
                    one.id,
                )
                for index, one in enumerate(spec.suppressions)
            ),
            max_age_days=spec.max_age.measurement / 86400,
            network_max_age_days=spec.max_age.network / 86400,
        ),
        folder=folder,
        workloads={name: near(text) for name, text in spec.workloads.items()},
        model_files={
            index: joined(folder, one.file)
            for index, one in enumerate(spec.models)
            if one.file is not None
        },
        site_files=tuple(
            near(text.partition("@")[0])
            for site in spec.sites.values()
            for text in (site.device, site.cloud)
            if text is not None
        ),
        document=document,
    )


def project_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``placer.yaml``, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:project:v1",
        **ProjectSpec.model_json_schema(mode="validation", by_alias=True),
    }


def _refuse_workload(document: Document) -> None:
    """Raise UsageError where the file is what ``placer init`` writes under the same name."""
    schema = document.data.get("schema") if isinstance(document.data, Mapping) else None
    if isinstance(schema, str) and schema.startswith("placer/workload/"):
        raise UsageError(
            f"{document.where(('schema',))}: this is a workload, not what names in manifests mean",
            hint=f"move it, as to workloads/NAME.yaml, and write a {FILE_NAME} that names it: "
            "docs/gate.md",
        )


def _site(name: str, site: SiteSpec, near: Any, told: Any) -> SiteEntry:
    device = offer = None
    if site.device is not None:
        load = partial(catalogue.load_device, near(site.device))
        device = told(load, "sites", name, "device")
    if site.cloud is not None:
        offers = told(partial(catalogue.load_cloud, near(site.cloud)), "sites", name, "cloud")
        if len(offers) > 1:
            regions = ", ".join(str(one.region) for one in offers)

            def refuse() -> None:
                raise UsageError(
                    f"{site.cloud} is offered in several regions", hint=f"name one: @ {regions}"
                )

            told(refuse, "sites", name, "cloud")
        offer = offers[0]
        if offer.jurisdiction is None:
            offer = replace(offer, jurisdiction=site.jurisdiction)
    return SiteEntry(
        name=name,
        tier=Tier.EDGE if device is not None else Tier.CLOUD,
        device=device,
        offer=offer,
        jurisdiction=site.jurisdiction,
        runtime=site.runtime,
        matches=tuple(
            SiteMatch(
                labels=tuple(one.labels.items()),
                node=one.node,
                group=one.group,
                instance_type=one.instance_type,
                platform=one.platform,
                path=one.path,
            )
            for one in site.match
        ),
    )


def _place(document: Document, location: Location) -> Place:
    line, column = document.positions.get(location, (1, 1))
    pointer = "".join(f"/{part}" for part in location)
    return Place(document.path, line, column, line, column + 1, pointer)
