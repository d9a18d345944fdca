"""What an answer takes for granted, told with its source."""

from __future__ import annotations

from collections.abc import Sequence

from placer.api.measuring import MeasuringOptions
from placer.core.energy import missing_power
from placer.core.environment import (
    ACCESS,
    ENDPOINT,
    Assumption,
    Backbone,
    Basis,
    ChipClass,
    CloudOffer,
    Device,
    NetworkPath,
)
from placer.core.graph import ModelSummary
from placer.core.network.framing import REQUEST_HEAD_BYTES, RESPONSE_HEAD_BYTES
from placer.core.network.wire import PACKET_OVERHEAD_BYTES
from placer.core.placement import EdgeSite
from placer.core.units import format_bytes, format_duration
from placer.core.workload import Objective, Workload

ELECTRICITY_USD_PER_KWH = 0.1648
ELECTRICITY_SOURCE = "US residential mean 2024, 16.48 US cents per kWh (Statista)"


def assumptions_of(
    summary: ModelSummary,
    workload: Workload,
    device: Device,
    path: NetworkPath,
    offers: Sequence[CloudOffer],
    backbones: Sequence[Backbone | None],
    edges: Sequence[EdgeSite],
    options: MeasuringOptions,
    network_is_assumed: bool,
    why_offers: str | None,
) -> tuple[Assumption, ...]:
    """Return what nobody stated or measured and the answer needs all the same.

    Parameters
    ----------
    backbones
        The way on to each of the offers; None: nothing is added.
    why_offers
        By what the offers were chosen; None: they were named.
    """
    from placer.profiling.plan import MAX_GAP_S

    found = []
    if network_is_assumed:
        found.append(
            Assumption("network", path.name, "", Basis.ASSUMED, f"no --network; {path.source}")
        )
    if offers:
        found.append(
            Assumption(
                "connection",
                path.connection,
                "",
                Basis.ASSUMED if network_is_assumed else path.basis,
                f"{'TLS' if path.is_encrypted else 'no TLS'}, kept open between requests"
                if path.connection == "warm"
                else "as the network profile says",
            )
        )
        found += ways_on(path, offers, backbones, place_key="--from PLACE")
    if why_offers is not None:
        names = ", ".join(f"{offer.name}@{offer.region}" for offer in offers)
        found.append(Assumption("cloud", names, "", Basis.ASSUMED, f"no --cloud: {why_offers}"))
    if offers and workload.wire_input_bytes is None and summary.input_bytes is not None:
        found.append(
            Assumption(
                "request size",
                format_bytes(summary.input_bytes),
                "",
                Basis.ASSUMED,
                "no --wire-input: the raw input tensors",
            )
        )
    shared = [o.name for o in offers if o.chip_class is ChipClass.CPU and (o.vcpus or 0) > 1]
    if shared:
        found.append(
            Assumption(
                "capacity",
                "one inference at a time on each instance",
                "",
                Basis.ASSUMED,
                f"several at a time on the vCPUs of {', '.join(dict.fromkeys(shared))} may serve "
                "more: not measured",
            )
        )
    if offers and workload.rate_hz is not None:
        found.append(
            Assumption(
                "paid bytes",
                "those of the bodies",
                "",
                Basis.ASSUMED,
                f"HTTP heads and packets add {REQUEST_HEAD_BYTES} and {RESPONSE_HEAD_BYTES} bytes, "
                f"and {PACKET_OVERHEAD_BYTES} for each packet, to the time but not to the cost",
            )
        )
    if offers and workload.rate_hz is None:
        found.append(
            Assumption(
                "cost per million",
                "that of instances which are never idle",
                "",
                Basis.ASSUMED,
                "no --rate: at a low rate it is many times higher",
            )
        )
    measured = [site.time.measurement for site in edges if site.time.measurement is not None]
    if measured and options.inputs is None:
        found.append(
            Assumption(
                "inputs", measured[0].input_source, "", Basis.ASSUMED, "no --inputs: generated"
            )
        )
    if measured and workload.rate_hz is not None:
        idle_s = 1 / workload.rate_hz - min(measured[0].samples_s)
        if idle_s > MAX_GAP_S:
            found.append(
                Assumption(
                    "idle time between runs",
                    format_duration(MAX_GAP_S),
                    "",
                    Basis.ASSUMED,
                    f"in place of {format_duration(idle_s)}: longer gaps made no run slower",
                )
            )
    if device.price_usd is not None and device.power_w is not None:
        found.append(
            Assumption(
                "electricity price",
                f"{ELECTRICITY_USD_PER_KWH}",
                "USD/kWh",
                Basis.ASSUMED,
                ELECTRICITY_SOURCE,
            )
        )
        found.append(
            Assumption(
                "device cost",
                "written off over 36 months, powered "
                + ("around the clock" if workload.active_ratio == 1 else "in the hours of work"),
                "",
                Basis.ASSUMED,
                "straight line, the usual life of computers in accounting",
            )
        )
    if workload.objective is Objective.ENERGY:  # first: it decides what is best
        found = [*_unknown_energy(device, uses_network=bool(offers)), *found]
    return tuple(found)


def _unknown_energy(device: Device, *, uses_network: bool) -> list[Assumption]:
    """Return which figures the energy of the device needs and nobody stated."""
    missing = [key for key in missing_power(device) if uses_network or key == "power"]
    if not missing:
        return []
    *others, last = (f"`{key}:`" for key in missing)
    listed = f"{', '.join(others)} and {last}" if others else last
    whose = "the device" if "power" in missing else "a cloud, split, cascade or fallback"
    why = f"the file of device {device.name} does not state {listed} (docs/catalogue.md)"
    return [Assumption(f"energy of {whose}", "unknown", "", Basis.ASSUMED, why)]


def ways_on(
    path: NetworkPath,
    offers: Sequence[CloudOffer],
    backbones: Sequence[Backbone | None],
    *,
    place_key: str,
) -> list[Assumption]:
    """Return what is added for the way on to each region, or that nothing is.

    Parameters
    ----------
    place_key
        Where the place of the device can be stated.
    """
    known = dict.fromkeys(one for one in backbones if one is not None)
    if known:
        return [_way_on(one) for one in known]
    if path.measured_to == ENDPOINT:
        return [
            Assumption(
                "server location",
                "where the network was measured to",
                "",
                path.basis,
                "measured to where the requests go: nothing is added",
            )
        ]
    why = "the network does not say what it was measured to (`measured_to:`)"
    if path.measured_to == ACCESS:
        why = f"{place_key} adds it{_range_of(offers)}"
    return [
        Assumption(
            "server location",
            "where the network profile was measured to",
            "",
            Basis.ASSUMED,
            f"the way from there to the cloud region is not added: {why}",
        )
    ]


def _way_on(backbone: Backbone) -> Assumption:
    name = f"way from {backbone.start} to {backbone.end}"
    if backbone.high_s is None:
        return Assumption(name, "unknown", "", Basis.ASSUMED, backbone.source)
    what = "95th percentile of its round trip, added to each"
    if backbone.known_percentile == 0:
        what = f"as from the farthest region in {backbone.start}, added to each round trip"
    elif backbone.low_s != backbone.high_s:
        low_ms, high_ms = 1e3 * backbone.low_s, 1e3 * backbone.high_s
        what = f"{what}; it lies between {low_ms:g} and {high_ms:g} ms"
    value = f"{1e3 * backbone.high_s:g}"
    return Assumption(name, value, "ms", backbone.basis, f"{what}; {backbone.source}")


def _range_of(offers: Sequence[CloudOffer]) -> str:
    """Say how much the way to the regions of the offers is, of those that are known."""
    from placer.files.catalogue import round_trips_to

    told = []
    for provider, region in dict.fromkeys((one.provider, one.region) for one in offers):
        times_s = () if region is None else round_trips_to(provider, region)
        if times_s:
            low_ms, high_ms = 1e3 * min(times_s), 1e3 * max(times_s)
            told.append(f"{low_ms:g}-{high_ms:g} ms to {provider} {region}")
    return f" (from other regions {', '.join(told)})" if told else ""
