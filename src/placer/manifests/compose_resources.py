"""What a service of a compose file is granted: memory, cores and accelerators."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

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
from placer.manifests.containers import bind_of, is_open, placeholder, variables_of, words_of
from placer.manifests.cores import limit_of_cores
from placer.manifests.mounts import mounts_of
from placer.manifests.nodes import Field
from placer.manifests.quantities import DOCKER_REFUSES, above_limit, unread

_BYTES = re.compile(
    r"\+?(?P<number>(?:[0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:e[-+]?[0-9]{1,2})?)"
    r" ?(?:(?P<unit>[kmgtp])(?:i?b)?|b)?",
    re.IGNORECASE,
)
"""Source: docker/go-units 0.5, ``RAMInBytes``: all units are powers of 1024, and ``Mi`` is none."""
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def resources_of(service: Field) -> Resources:
    """Return what a service is granted."""
    resources = service.at("deploy", "resources")
    limits, reserved = resources.at("limits"), resources.at("reservations")
    accelerators = [*_accelerators(service, reserved)]
    stated = (limits.at("memory"), service.at("mem_limit"))
    limit = _bytes(stated[0]) or _bytes(stated[1])
    holders = (limits, resources, service.at("deploy"))  # a whole one may be a variable
    cpus, cpus_unread = limit_of_cores(
        [(one, _cpus(one)) for one in (limits.at("cpus"), service.at("cpus"))],
        quota=service.at("cpu_quota"),
        period=service.at("cpu_period"),
        cores=service.at("cpuset"),
    )
    return Resources(
        limit,
        unread(limit, *stated, *holders),
        _bytes(reserved.at("memory")) or _bytes(service.at("mem_reservation")),
        cpus,
        tuple({one.value[0]: one for one in reversed(accelerators)}.values())[::-1],
        cpus_limit_unread=cpus_unread or unread(cpus, *holders),
        accelerators_unread=first_open(accelerators, _numbers(service, reserved)),
        left_to_machine=left_to_machine(service.at("privileged")),
        hiding=hiding(
            variables_of(service.at("environment")),
            [
                replace(one, value=one.value.replace("$$", "$"))
                for key in ("entrypoint", "command")
                for one in words_of(service.at(key))
            ],
            but=CHOOSING,
        ),
    )


def _bytes(amount: Field) -> Stated[int] | None:
    """Return an amount of memory; 0 is no limit."""
    match = _BYTES.fullmatch(amount.text() or "")
    if match is None:
        return None
    value = int(Decimal(match["number"]) * 1024 ** _POWERS[(match["unit"] or "").lower()])
    return Stated(value, amount.place()) if value > 0 else None


def _cpus(amount: Field) -> Stated[float] | None:
    number = amount.number()
    return Stated(number, amount.place()) if number is not None and number > 0 else None


def _accelerators(service: Field, reserved: Field) -> Iterator[Stated[tuple[str, int]]]:
    yield from runtime_of(service.at("runtime"), variables_of(service.at("environment")))
    gpus = service.at("gpus")
    if gpus.text() is not None and gpus.integer() != 0:
        yield Stated(("gpu", 1), gpus.pair_place())
    if (opened := placeholder(reserved.at("devices"))) is not None:
        yield Stated((opened.value, 1), opened.place)
    requests = [(one, None) for one in reserved.at("devices").items()]
    for request, default in [*requests, *((one, "gpu") for one in gpus.items())]:
        capabilities = [text for one in request.at("capabilities").items() if (text := one.text())]
        driver, ids = request.at("driver"), request.at("device_ids")
        yield from devices_asked(
            request,
            driver,
            ids,
            count=request.at("count"),
            capabilities=capabilities,
            default=default,
        )
    for one in reserved.at("generic_resources").items():
        resource = one.at("discrete_resource_spec")
        name, count = resource.at("kind").text(), resource.at("value").integer() or 0
        if name is not None and count > 0:
            yield Stated((name, count), one.place())
    yield from mounted_devices(mounts_of(service.at("volumes")), service.at("privileged"))
    for device in service.at("devices").items():
        stated = device.stated() or device.at("source").stated()
        if stated is None:
            continue
        bind = bind_of(stated)
        path = stated.value if bind is None else bind[0].value
        yield Stated((path.partition("=")[0], 1), stated.place)


def _numbers(service: Field, reserved: Field) -> Iterator[Field]:
    """Yield the numbers of accelerators, whichever they are."""
    gpus = service.at("gpus")
    yield gpus
    for request in (*reserved.at("devices").items(), *gpus.items()):
        yield request.at("count")
    for one in reserved.at("generic_resources").items():
        yield one.at("discrete_resource_spec", "value")


def bad_amounts(service: Field) -> Iterator[Defect]:
    """Yield amounts that are none."""
    resources = service.at("deploy", "resources")
    for amount in (
        resources.at("limits", "memory"),
        resources.at("reservations", "memory"),
        service.at("mem_limit"),
        service.at("mem_reservation"),
    ):
        text = amount.text()
        if text is not None and not is_open(text) and _BYTES.fullmatch(text) is None:
            message = f"'{amount.name}: {text[:40]}' is no amount"
            bare = text.removesuffix("i")[:40]
            is_of_kubernetes = bare != text and _BYTES.fullmatch(bare) is not None
            remedy = f"write {bare.lower()}" if is_of_kubernetes else "write one such as 512m or 2g"
            yield Defect("bad_value", message, remedy, amount.place())
    for amount in (resources.at("limits", "cpus"), service.at("cpus")):
        text = amount.text()
        if text is not None and not is_open(text) and amount.number() is None:
            message = f"'cpus: {text[:40]}' is no number"
            yield Defect("bad_value", message, "write one such as 0.5", amount.place())
    yield from _set_twice(service)
    asked = resources.at("reservations", "memory") or service.at("mem_reservation")
    limit = resources.at("limits", "memory") or service.at("mem_limit")
    yield from above_limit(asked, limit, _bytes, DOCKER_REFUSES)


def _set_twice(service: Field) -> Iterator[Defect]:
    """Yield what is said of a service and of its ``deploy``, and not alike: Compose refuses it.

    Source: compose-go, loader/validate.go; there what is not said of ``deploy`` is 0.
    """
    resources = service.at("deploy", "resources")
    for name, holder, key, read in (
        ("mem_limit", "limits", "memory", _bytes),
        ("mem_reservation", "reservations", "memory", _bytes),
        ("cpus", "limits", "cpus", _cpus),
    ):
        own, beside = service.at(name), resources.at(holder, key)
        set_to, other = _amount(own, read), _amount(beside, read)
        if not set_to or other in (None, set_to) or not resources.at(holder).is_mapping:
            continue
        said = f"is {(beside.text() or '')[:40]}" if other else "is not set"
        yield Defect(
            "bad_value",
            f"'{name}' is {(own.text() or '')[:40]}, and 'deploy.resources.{holder}.{key}' {said}:"
            " Compose refuses the file",
            f"keep one, in 'deploy.resources.{holder}'",
            own.place(),
        )


def _amount(
    field: Field, read: Callable[[Field], Stated[int] | Stated[float] | None]
) -> float | None:
    """Return an amount, 0 where none is set; None: it cannot be read."""
    stated = read(field)
    if stated is None:
        return None if (field.text() or "").strip("0.") else 0
    return stated.value
