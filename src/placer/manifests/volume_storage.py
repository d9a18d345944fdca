"""Where the bytes of volumes lie: two may be one claim or folder of the host."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from placer.core.globs import globbed
from placer.core.project import TEMPLATE, templates_in
from placer.manifests.models import is_model_file
from placer.manifests.mounts import Mount, is_path, rest_below
from placer.manifests.nodes import Field

_PROJECT = "/.project"
"""Stands for the folder of the file, which it does not say."""
_STORAGES = {
    "hostPath": ((), "path"),
    "nfs": (("server",), "path"),
    "glusterfs": (("endpoints",), "path"),
    "persistentVolumeClaim": (("claimName",), None),
    "azureFile": (("shareName",), None),
    "azureDisk": (("diskURI",), None),
    "awsElasticBlockStore": (("volumeID",), None),
    "gcePersistentDisk": (("pdName",), None),
    "csi": (("driver", "volumeAttributes"), None),
}
"""Key of a volume -> the keys that say which storage it is, and that of a path in it.

Volumes of any other kind are apart, whatever is said of them.
"""


@dataclass(frozen=True, slots=True)
class Spot:
    """A path in the storage of a volume that a container mounts."""

    storage: tuple[str, ...]
    path: str
    """In the storage; what is filled in later stands in it as it is said."""
    root: str
    """In the container, of the mount."""
    is_read_only: bool

    def may_be_of(self, other: Spot) -> bool:
        """Tell whether two mounts may be of one storage: a name that is filled in fits any."""
        return len(self.storage) == len(other.storage) and all(
            one == two or bool(templates_in(one) or templates_in(two))
            for one, two in zip(self.storage, other.storage, strict=True)
        )


def volumes_in(container: Field, pod: Field) -> Iterator[tuple[Field, Field]]:
    """Yield (mount, volume); what is not among the pod's volumes is a value that is not there."""
    volumes = {one.at("name").text(): one for one in pod.at("volumes").items()}
    nothing = Field(pod.document, None)
    for mount in container.at("volumeMounts").items():
        yield mount, volumes.get(mount.at("name").text(), nothing)


def spot_of(path: str, mounted: Iterable[Spot]) -> Spot | None:
    """Return where the bytes at a path of a container are stored; None: it lies in no mount.

    Of several mounts the deepest counts.
    """
    found = [(rest, one) for one in mounted if (rest := rest_below(one.root, path)) is not None]
    if not found:
        return None
    rest, spot = min(found, key=lambda pair: len(pair[0]))
    return replace(spot, path=_normal(f"{spot.path}{rest}"))


def seen_at(spot: Spot, mounted: Iterable[Spot]) -> Iterator[tuple[str, str]]:
    """Yield (path, mount) for each way in which a container may write to what is stored there.

    Where nobody knows which folder of the storage it mounts, and where it mounts but a part of a
    folder of models, the path is that of its mount: whatever it writes there counts.
    """
    for one in mounted:
        if one.is_read_only or not one.may_be_of(spot):
            continue
        below = rest_below(one.path, spot.path)
        if below is not None:
            yield f"{one.root.rstrip('/')}{below}", one.root
        elif _is_part(one.path, spot.path) or _may_hold(one.path, spot.path):
            yield one.root, one.root


def spots_of_service(mounts: Iterable[Mount], volumes: Field) -> Iterator[Spot]:
    """Yield what a service of compose mounts.

    Parameters
    ----------
    volumes
        Of the file: two of them may have one ``name``, or be one folder of the host.
    """
    for one in mounts:
        source = one.source.value
        volume = volumes.at(source)
        device = volume.at("driver_opts", "device").text()
        path = device or source
        storage: tuple[str, ...] = ("host",)
        if device is None and not one.is_whole and not is_path(source):
            path, storage = "", ("volume", volume.at("name").text() or source)
        elif not path.startswith("/"):
            path = f"{_PROJECT}/{path}"
        yield Spot(storage, _normal(path.replace("\\", "/")), one.target, one.is_read_only)


def spots_of_pod(container: Field, pod: Field) -> Iterator[Spot]:
    """Yield what a container of a pod mounts."""
    for mount, volume in volumes_in(container, pod):
        name, root = mount.at("name").text(), mount.at("mountPath").text()
        if not name or not root:
            continue
        kind = next((one for one in _STORAGES if volume.at(one)), None)
        storage: tuple[str, ...] = ("", name)
        folder, is_read_only = "", mount.at("readOnly").truth() or False
        if kind is not None:
            keys, path_key = _STORAGES[kind]
            storage = (kind, *(_told(volume.at(kind, key)) for key in keys))
            folder = (volume.at(kind, path_key).text() or "") if path_key else ""
            is_read_only = is_read_only or volume.at(kind, "readOnly").truth() or False
        below = mount.first_of("subPath", "subPathExpr").text() or ""
        path = "/".join(["", folder.replace("\\", "/"), below])
        yield Spot(storage, _normal(path), root, is_read_only)


def _told(field: Field) -> str:
    text = field.text()
    return text or " ".join(sorted(f"{one.name}={one.text()}" for one in field.entries()))


def _is_part(path: str, inside: str) -> bool:
    """Tell whether a path lies in a folder of models."""
    return not is_model_file(inside) and rest_below(inside, path) is not None


def _may_hold(path: str, inside: str) -> bool:
    """Tell whether a path that is filled in later may become one at or above another."""
    if templates_in(inside):
        return True
    if not templates_in(path):
        return False
    pattern = "*".join(TEMPLATE.split(path))
    above = inside.split("/")
    ways = [_normal("/".join(above[:end])) for end in range(1, len(above) + 1)]
    return any(globbed(one, pattern) for one in ways)


def _normal(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")
