"""The catalogue of devices, networks, clouds, regions and workloads, and files of users.

One YAML file is one entry; its stem is its key. The wheel has them in ``placer/profiles``, a
source checkout in ``profiles/``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, partial
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from placer.core.backbone import between, unknown
from placer.core.environment import (
    ACCESS,
    ENDPOINT,
    Backbone,
    ChipClass,
    CloudOffer,
    Device,
    NetworkPath,
    Place,
    Region,
)
from placer.core.errors import PlacerError, UsageError, near_match
from placer.core.privacy import JURISDICTIONS
from placer.files.positions import Document, parse_yaml, read_yaml
from placer.files.specs import CloudSpec, DeviceSpec, NetworkSpec, ProfileSpec, RegionSpec
from placer.files.validating import validate

if TYPE_CHECKING:
    from placer.files.workload import WorkloadFile, WorkloadSpec

Spec: TypeAlias = "DeviceSpec | NetworkSpec | CloudSpec | RegionSpec | WorkloadSpec"
_Spec = TypeVar("_Spec", bound=ProfileSpec)


class Kind(StrEnum):
    """The folders of the catalogue."""

    DEVICES = "devices"
    NETWORKS = "networks"
    CLOUDS = "clouds"
    REGIONS = "regions"
    WORKLOADS = "workloads"

    @property
    def singular(self) -> str:
        """The word for one entry."""
        return self.value[:-1]


def spec_of(kind: Kind) -> type[Spec]:
    """Return what the files of a kind are checked against."""
    match kind:
        case Kind.DEVICES:
            return DeviceSpec
        case Kind.NETWORKS:
            return NetworkSpec
        case Kind.CLOUDS:
            return CloudSpec
        case Kind.REGIONS:
            return RegionSpec
        case Kind.WORKLOADS:  # its many keys take time to build
            from placer.files.workload import WorkloadSpec

            return WorkloadSpec


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the catalogue."""

    kind: Kind
    text: str
    """The YAML as it is in the file."""
    spec: Spec
    data: Mapping[str, Any]
    """The values as they are written, with their units."""


@cache
def list_names(kind: Kind) -> tuple[str, ...]:
    """Return the keys of one kind, sorted."""
    names = (item.name for item in profiles_folder().joinpath(kind.value).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def read_entry(kind: Kind, name: str) -> Entry:
    """Read one entry.

    Raises
    ------
    UsageError
        The catalogue has no such name.
    """
    document, text = _shipped(kind, name)
    return Entry(kind, text, validate(spec_of(kind), document), document.data)


def list_entries(kind: Kind) -> tuple[Entry, ...]:
    """Read every entry of one kind, in the order of their names."""
    return tuple(read_entry(kind, name) for name in list_names(kind))


def find_entry(name: str) -> Entry:
    """Read the entry of this name, of whichever kind it is: no two kinds share a name.

    Raises
    ------
    UsageError
        No kind has it.
    """
    kinds = {known: kind for kind in Kind for known in list_names(kind)}
    offer, _, region = name.partition("@")
    if region and offer in kinds:
        raise UsageError(
            f"'{name}' is one region of an entry",
            hint=f"`placer catalog show {offer}` shows it with all its regions",
        )
    if name not in kinds:
        raise UsageError(
            f"the catalogue has no '{name}'{near_match(name, kinds)}",
            hint="`placer catalog list` shows all",
        )
    return read_entry(kinds[name], name)


def load_device(name_or_file: str) -> Device:
    """Return a device of the catalogue or of a file.

    Raises
    ------
    UsageError
        An unknown name, or a file that says something wrong.
    InputError
        The file is missing or unreadable.
    """
    spec, document = _load(Kind.DEVICES, DeviceSpec, name_or_file)
    device = spec.to_core()
    return replace(device, source=device.source or document.path)


def load_network(name_or_file: str) -> NetworkPath:
    """Return a network of the catalogue or of a file. Raises as `load_device`."""
    spec, document = _load(Kind.NETWORKS, NetworkSpec, name_or_file)
    path = spec.to_core()
    if path.measured_to not in (None, ACCESS, ENDPOINT):
        named = path.measured_to or ""
        known = list_names(Kind.REGIONS)
        if named.lower() not in known:
            raise UsageError(
                f"{document.where(('measured_to',))}: unknown measured_to '{named}'"
                f"{near_match(named, (ACCESS, ENDPOINT, *known))}",
                hint=f"{ACCESS}, {ENDPOINT}, or a region as `placer catalog list regions` names it",
            )
    return replace(path, source=path.source or document.path)


def load_workload(name_or_file: str, *, may_lack_network: bool = False) -> WorkloadFile:
    """Return a workload of the catalogue or of a file, its sites known to exist.

    Raises as `load_device`; what is wrong in the file is told with its place.

    Parameters
    ----------
    may_lack_network
        The file of its network may be gone, which the caller tells.
    """
    from placer.files.workload import WorkloadSpec, workload_file

    spec, document = _load(Kind.WORKLOADS, WorkloadSpec, name_or_file)
    file = workload_file(spec, document)
    uses: list[tuple[Callable[[], object], tuple[str | int, ...]]] = []
    if file.device is not None:
        uses.append((partial(load_device, file.device), ("device", "name")))
    if file.location is not None:
        uses.append((partial(load_place, file.location, what="place"), ("device", "location")))
    if file.network is not None and not (may_lack_network and is_gone(file.network)):
        uses.append((partial(load_network, file.network), ("network",)))
    uses += [
        (partial(load_cloud, cloud), ("clouds", index)) for index, cloud in enumerate(file.clouds)
    ]
    uses += [
        (partial(check_regions, (region,)), ("data", "regions", index))
        for index, region in enumerate(file.workload.regions)
    ]
    for load, key in uses:
        try:
            load()
        except PlacerError as error:
            message = f"{document.where(key)}: {error.message}"
            raise type(error)(message, hint=error.hint) from error
    return file


def check_regions(regions: tuple[str, ...]) -> None:
    """Raise UsageError for a region that the catalogue does not know."""
    known = set(JURISDICTIONS)
    missing = {region.lower() for region in regions} - {name.lower() for name in known}
    names = iter(list_names(Kind.REGIONS))
    while missing and (key := next(names, None)) is not None:  # the first ones are mostly enough
        found = _region(key)
        named = {found.name, found.jurisdiction, found.country}
        known |= named
        missing -= {name.lower() for name in named}
    for region in regions:
        if region.lower() in missing:
            raise UsageError(
                f"unknown region '{region}'{near_match(region, known)}",
                hint="a jurisdiction (EU, US, UK, ...), a country code or a provider's region; "
                "see `placer catalog list regions`",
            )


def load_cloud(text: str) -> tuple[CloudOffer, ...]:
    """Return the offers that ``NAME[@REGION]`` or ``FILE[@REGION]`` means, one for each region.

    A jurisdiction that an offer leaves out is taken from its region in the catalogue.

    Raises
    ------
    UsageError
        An unknown name or region, a file that says something wrong, or a jurisdiction that is
        not that of the region.
    InputError
        The file is missing or unreadable.
    """
    name, separator, region = text.rpartition("@")
    if not separator or _is_file(region):
        name, region = text, ""
    offers = _offers(name)
    if not region and not separator:
        return offers
    chosen = tuple(offer for offer in offers if offer.region == region)
    if not chosen:
        known = [offer.region for offer in offers if offer.region is not None]
        raise UsageError(
            f"cloud '{name}' has no offer in region '{region}'{near_match(region, known)}",
            hint=f"regions: {' '.join(known)}" if known else "its region is not known: leave @ out",
        )
    return chosen


def load_region(provider: str, region: str) -> Region | None:
    """Return a region of the catalogue; None: it does not have it."""
    key = f"{provider}-{region}".lower()
    return _region(key) if key in list_names(Kind.REGIONS) else None


@cache
def _region(key: str) -> Region:
    return _load(Kind.REGIONS, RegionSpec, key)[0].to_core()


@cache
def all_regions() -> Mapping[str, Region]:
    """Return every region of the catalogue by its key."""
    return {region.key: region for region in map(_region, list_names(Kind.REGIONS))}


def round_trips_to(provider: str, region: str) -> tuple[float, ...]:
    """Return the 95th percentiles of the round trips to a region, in seconds; empty: not known."""
    found = load_region(provider, region)
    if found is not None and found.near is not None and not found.rtt_p95_s:
        found = load_region(*found.near.split("-", 1))
    return () if found is None else tuple(rtt_s for _, rtt_s in found.rtt_p95_s)


def load_place(text: str, *, what: str) -> Place:
    """Return the place that a country code or the name of a region means.

    Parameters
    ----------
    what
        The option or key that names it, for messages.

    Raises
    ------
    UsageError
        The catalogue knows neither such a country nor such a region, or several regions.
    """
    regions = tuple(all_regions().values())
    country = {"UK": "GB"}.get(text.upper(), text.upper())
    found = tuple(one for one in regions if one.country == country)
    if found:
        return Place(country, True, found)
    found = tuple(one for one in regions if text.lower() in (one.key, one.name.lower()))
    if len(found) == 1:
        return Place(found[0].key, False, found)
    if found:
        raise UsageError(
            f"{what} '{text}' is the name of {len(found)} regions",
            hint=f"say which: {' or '.join(one.key for one in found)}",
        )
    known = {name for one in regions for name in (one.key, one.name, one.country)}
    raise UsageError(
        f"unknown {what} '{text}'{near_match(text, known)}",
        hint="a country code (DE, US, ...) or a region, as `placer catalog list regions` names it",
    )


def backbone_to(path: NetworkPath, place: Place | None, offer: CloudOffer) -> Backbone | None:
    """Return the way from where a path was measured to, on to an offer; None: nothing is added.

    Parameters
    ----------
    place
        Where the device is; None: not stated.
    """
    start = _start_of(path, place)
    if start is None:
        return None
    end = all_regions().get(f"{offer.provider}-{offer.region}".lower())
    if end is None:
        return unknown(start.name, f"{offer.provider} {offer.region or '(region not named)'}")
    return between(start, end, all_regions())


def backbone_between(path: NetworkPath, place: Place | None, end: Region) -> Backbone | None:
    """Return the way from where a path was measured to, on to a region; None as above."""
    start = _start_of(path, place)
    return None if start is None else between(start, end, all_regions())


def _start_of(path: NetworkPath, place: Place | None) -> Place | None:
    """Return where the way on begins; None: nothing is added."""
    if path.measured_to in (None, ENDPOINT):
        return None
    if path.measured_to == ACCESS:
        return place
    return load_place(path.measured_to or "", what="measured_to")


def all_offers() -> tuple[CloudOffer, ...]:
    """Return every offer of the catalogue."""
    return tuple(offer for name in list_names(Kind.CLOUDS) for offer in _offers(name))


def default_offers() -> tuple[CloudOffer, ...]:
    """Return the cheapest CPU offer and the cheapest GPU offer that can be judged.

    Their region is known and their compute time can be estimated. Among equal prices the one
    whose egress price is known, then by name.
    """
    usable = [
        (offer.usd_per_hour, offer.egress_usd_per_byte is None, offer.name, offer.region, offer)
        for offer in all_offers()
        if offer.region is not None and offer.roofline and offer.usd_per_hour is not None
    ]
    ordered = [offer for *_, offer in sorted(usable, key=lambda row: row[:4])]
    kinds = (ChipClass.CPU, ChipClass.GPU)
    firsts = (next((one for one in ordered if one.chip_class is kind), None) for kind in kinds)
    return tuple(offer for offer in firsts if offer is not None)


def _offers(name_or_file: str) -> tuple[CloudOffer, ...]:
    spec, document = _load(Kind.CLOUDS, CloudSpec, name_or_file)
    return tuple(
        _located(replace(offer, source=offer.source or document.path), document, index)
        for index, offer in enumerate(spec.to_core())
    )


def _located(offer: CloudOffer, document: Document, index: int) -> CloudOffer:
    region = None if offer.region is None else load_region(offer.provider, offer.region)
    if region is None:
        return offer
    if offer.jurisdiction is None:
        return replace(offer, jurisdiction=region.jurisdiction, country=region.country)
    if offer.jurisdiction not in (region.jurisdiction, region.country):
        raise UsageError(
            f"{document.where(('offers', index, 'jurisdiction'))}: the jurisdiction of"
            f" {offer.provider} {offer.region} is {region.jurisdiction}, not {offer.jurisdiction}",
            hint="correct it, or leave it out",
        )
    return replace(offer, country=region.country)


def _load(kind: Kind, model: type[_Spec], name_or_file: str) -> tuple[_Spec, Document]:
    if _is_file(name_or_file):
        document = read_yaml(name_or_file)
    else:
        document, _ = _shipped(kind, name_or_file)
    return validate(model, document), document


def _shipped(kind: Kind, name: str) -> tuple[Document, str]:
    names = list_names(kind)
    if name not in names:
        raise UsageError(
            f"unknown {kind.singular} '{name}'{near_match(name, names)}",
            hint=f"`placer catalog list {kind}` shows all; a file is given by its path, ./x.yaml",
        )
    text = profiles_folder().joinpath(kind.value, f"{name}.yaml").read_text(encoding="utf-8")
    return parse_yaml(text, path=f"profiles/{kind}/{name}.yaml"), text


def is_gone(name_or_file: str) -> bool:
    """Tell whether a file is named, and nothing lies there."""
    return _is_file(name_or_file) and not os.path.exists(name_or_file)  # noqa: PTH110  # as typed


def _is_file(text: str) -> bool:
    return text.endswith((".yaml", ".yml")) or "/" in text or os.sep in text


def profiles_folder() -> Traversable:
    """Return the folder of the catalogue: in the wheel, else in the source checkout."""
    package = resources.files("placer")
    shipped = package.joinpath("profiles")
    return shipped if shipped.is_dir() else package.joinpath("..", "..", "profiles")
