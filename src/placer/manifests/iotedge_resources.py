"""What a module of IoT Edge is granted: memory, cores and accelerators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from placer.core.deployment import Defect, Resources, Stated
from placer.manifests.accelerators import (
    CHOOSING,
    devices_asked,
    first_open,
    hiding,
    left_to_machine,
    mounted_devices,
    runtime_of,
)
from placer.manifests.containers import is_open, placeholder
from placer.manifests.cores import limit_of_cores
from placer.manifests.mounts import mounts_of
from placer.manifests.nodes import Field
from placer.manifests.quantities import DOCKER_REFUSES, above_limit, count_of, unread

Variables = Sequence[tuple[str, Stated[str]]]


def resources_of(
    config: Field,
    opaque: Stated[str] | None,
    variables: Variables,
    words: Sequence[Stated[str]] = (),
) -> Resources:
    """Return what ``HostConfig`` grants.

    Parameters
    ----------
    opaque
        What of the options is filled in later, where it keeps the others from being read.
    variables
        Those of the module.
    words
        Of its command line.
    """
    nano = config.at("NanoCpus").integer()
    amount = Stated(nano / 1e9, config.at("NanoCpus").place()) if nano and nano > 0 else None
    cpus, cpus_unread = limit_of_cores(
        [(config.at("NanoCpus"), amount)],
        quota=config.at("CpuQuota"),
        period=config.at("CpuPeriod"),
        cores=config.at("CpusetCpus"),
    )
    limit = _positive(config.at("Memory"))
    accelerators = [*_accelerators(config, variables)]
    counts = [request.at("Count") for request in config.at("DeviceRequests").items()]
    return Resources(
        limit,
        unread(limit, config.at("Memory")) or opaque,
        _positive(config.at("MemoryReservation")),
        cpus,
        tuple({one.value[0]: one for one in reversed(accelerators)}.values())[::-1],
        cpus_limit_unread=cpus_unread or opaque,
        accelerators_unread=first_open(accelerators, counts),
        left_to_machine=left_to_machine(config.at("Privileged")),
        hiding=hiding(variables, words, but=CHOOSING),
    )


def bad_amounts(config: Field) -> Iterator[Defect]:
    """Yield amounts of ``HostConfig`` that are none, and a reservation above the limit."""
    for name in ("Memory", "MemoryReservation", "NanoCpus"):
        amount = config.at(name)
        text = amount.text() or ""
        if amount and not amount.is_null and amount.integer() is None and not is_open(text):
            unit = "billionths of a core" if name == "NanoCpus" else "bytes"
            message = f"'{name}: {text[:40]}' is no whole number"
            yield Defect("bad_value", message, f"write a number of {unit}", amount.place())
    asked, limit = config.at("MemoryReservation"), config.at("Memory")
    yield from above_limit(asked, limit, _positive, DOCKER_REFUSES)


def _positive(amount: Field) -> Stated[int] | None:
    """Return an amount; Docker takes 0 for no limit."""
    stated = count_of(amount)
    return stated if stated is not None and stated.value > 0 else None


def _accelerators(config: Field, variables: Variables) -> Iterator[Stated[tuple[str, int]]]:
    """Yield what is granted; a request without ``Count`` is for none, as Docker's API has it."""
    yield from runtime_of(config.at("Runtime"), variables)
    if (opened := placeholder(config.at("DeviceRequests"))) is not None:
        yield Stated((opened.value, 1), opened.place)
    for request in config.at("DeviceRequests").items():
        capabilities = [
            text
            for all_of in request.at("Capabilities").items()
            for one in all_of.items()
            if (text := one.text())
        ]
        driver, ids = request.at("Driver"), request.at("DeviceIDs")
        yield from devices_asked(
            request,
            driver,
            ids,
            count=request.at("Count"),
            capabilities=capabilities,
            uncounted=0,
        )
    binds, others = config.at("Binds"), config.at("Mounts")
    mounts = [*mounts_of(binds), *mounts_of(others, source="Source", target="Target")]
    yield from mounted_devices(mounts, config.at("Privileged"))
    for device in config.at("Devices").items():
        path = device.at("PathOnHost").stated()
        if path is not None and device.at("PathInContainer"):
            yield Stated((path.value, 1), path.place)
