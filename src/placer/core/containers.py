"""Which container of a pod runs the model, where only the project can tell it by the images."""

from __future__ import annotations

from dataclasses import replace

from placer.core.deployment import Container, Deployed, ModelRef, Stated
from placer.core.project import DeclaredWorkload, Project, names, unclear_image, workload_of


def with_named(deployed: Deployed, project: Project) -> Deployed:
    """Return something deployed with the models that it is told anywhere, by URIs of the project.

    A glob counts that says a scheme itself (``s3://models/*``): ``*`` would take each address.
    """
    globs = [one.uri for one in project.models if "://" in one.uri]
    known = {one.uri.value for one in deployed.models}

    def named(uris: tuple[Stated[str], ...]) -> list[ModelRef]:
        return [
            ModelRef(uri, uri.value.partition("@sha256:")[2] or None)
            for uri in uris
            if uri.value not in known and any(names(glob, uri.value) for glob in globs)
        ]

    found = named(deployed.uris) if globs else []
    if not found:
        return deployed
    told = [one for one in deployed.containers if named(one.uris)]
    if len(told) == 1:
        deployed = _with(deployed, told[0])
    return replace(deployed, models=(*deployed.models, *found))


def that_run(deployed: Deployed, project: Project, path: str) -> tuple[Deployed, ...]:
    """Return something deployed with the one container that runs the model, or each that does.

    Where no image tells it, all that may be it are kept: what is right for some of them alone is
    not known.

    Parameters
    ----------
    path
        As in `workload_of`.
    """
    if not deployed.containers:
        return (deployed,)
    workload = workload_of(deployed, project, path)
    if not isinstance(workload, DeclaredWorkload):
        return (deployed,)
    wanted = [entry.uri for entry in project.models if entry.workload == workload.name]
    named = [
        one
        for one in deployed.containers
        if any(names(uri, image.value) for image in one.images for uri in wanted)
    ]
    known = {image.value for one in named for image in one.images}
    if not named or unclear_image(deployed, project, known) is not None:
        return (deployed,)
    if len(named) == 1:
        return (_with(deployed, named[0]),)
    is_by_image = not deployed.models and workload.uri is not None
    if is_by_image:
        return tuple(
            replace(_with(deployed, one), id=f"{deployed.id}/{one.name or number}")
            for number, one in enumerate(named)
        )
    images = tuple(image for one in named for image in one.images)
    return (replace(deployed, containers=tuple(named), images=images),)


def _with(deployed: Deployed, container: Container) -> Deployed:
    return replace(deployed, images=container.images, resources=container.resources, containers=())
