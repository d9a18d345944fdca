"""What Docker is asked for, and accelerators that something else fills in later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from placer.core.accelerators import HIDING, hides_all
from placer.core.deployment import Stated, runs_models
from placer.core.project import templates_in
from placer.manifests.containers import placeholder
from placer.manifests.mounts import Mount
from placer.manifests.nodes import Field
from placer.manifests.programs import given_to_last
from placer.manifests.shell import TooDeep

_CDI = "cdi"
"""Driver that takes names of devices, ``nvidia.com/gpu=all``: by itself it says nothing of what
they are. Source: Docker Engine, "Container Device Interface (CDI)"."""

_MAX_SCRIPT = 100_000
"""Characters of a command line; in a longer one nobody looks for variables."""

CHOOSING = "NVIDIA_VISIBLE_DEVICES"
"""What NVIDIA's runtime gives a container; a request for devices sets it anew. Source: moby,
daemon/nvidia_linux.go."""


def devices_asked(
    request: Field,
    driver: Field,
    ids: Field,
    *,
    count: Field,
    capabilities: Sequence[str],
    default: str | None = None,
    uncounted: int = 1,
) -> Iterator[Stated[tuple[str, int]]]:
    """Yield (accelerator, number) of one request for devices, as Docker takes it; none of none.

    Parameters
    ----------
    default
        What is asked for where neither driver nor capabilities say it.
    uncounted
        How many where neither number nor names say it.
    """
    named = driver.text() or ""
    is_cdi = named.lower() == _CDI
    if is_cdi or not (named or capabilities or default):
        devices = [stated for one in ids.items() if (stated := one.stated()) is not None]
        if (opened := placeholder(ids)) is not None:
            devices.append(opened)
        kinds = [one.value.partition("=")[0] for one in devices]
        numbers = Counter(kinds)
        yield from {
            kind: Stated((kind, numbers[kind]), one.place)
            for kind, one in zip(kinds[::-1], devices[::-1], strict=True)
        }.values()
        if devices:
            return
    known = next((one for one in capabilities if runs_models(one)), None)
    if named and not (is_cdi or (known and not runs_models(named) and not is_left_open(named))):
        name: str | None = named
    else:
        name = known or next(iter(capabilities), default)
    number = count.integer()
    if number is None:
        number = 1 if count.text() or placeholder(ids) is not None else None
    number = len([*ids.items()]) or (uncounted if number is None else number)
    if name and number:  # a negative one is all
        yield Stated((name, max(number, 1)), request.place())


def runtime_of(
    runtime: Field, variables: Iterable[tuple[str, Stated[str]]]
) -> Iterator[Stated[tuple[str, int]]]:
    """Yield the runtime of a container that brings an accelerator, unless a variable takes it."""
    stated = runtime.stated()
    if stated is None or stated.value in ("runc", "crun"):
        return
    chosen = dict(variables).get(CHOOSING)
    if chosen is None or "nvidia" not in stated.value or not hides_all(CHOOSING, chosen.value):
        yield Stated((stated.value, 1), stated.place)


def hiding(
    variables: Iterable[tuple[str, Stated[str]]],
    words: Sequence[Stated[str]] = (),
    *,
    but: str = "",
) -> Stated[tuple[str, str]] | None:
    """Return the variable that hides every GPU from what runs; of one given twice, the last.

    Parameters
    ----------
    words
        Of the command line, which may set it anew.
    but
        A variable that hides nothing there.
    """
    given = dict(variables)
    last = {name: one for name, one in given.items() if name != but}
    last |= _given_anew(given, words)
    found = (Stated((name, one.value), one.place) for name, one in last.items())
    return next((one for one in found if hides_all(*one.value)), None)


def _given_anew(
    variables: Mapping[str, Stated[str]], words: Sequence[Stated[str]]
) -> dict[str, Stated[str]]:
    """Return the variables that hide GPUs which a command line gives to what runs.

    Of `CHOOSING` the runtime reads what the container has, before any command.
    """
    names = HIDING.keys() - {CHOOSING}
    places = {name: one.place for one in words for name in names if f"{name}=" in one.value}
    texts = [one.value for one in words]
    if not places or sum(map(len, texts)) > _MAX_SCRIPT:
        return {}
    try:
        given = given_to_last(texts, {name: one.value for name, one in variables.items()})
    except TooDeep:
        return {}
    return {name: Stated(value, places[name]) for name, value in given if name in places}


def mounted_devices(
    mounts: Iterable[Mount], privileged: Field
) -> Iterator[Stated[tuple[str, int]]]:
    """Yield the device files that are mounted as files: of use where the container is privileged.

    Others are no accelerators for certain, as ``/dev/shm`` and the bus of a camera.
    """
    if (opened := placeholder(privileged)) is None and not privileged.truth():
        return
    for one in mounts:
        source = one.source
        if source.value.startswith("/dev/") and runs_models(source.value):
            yield Stated((source.value, 1), source.place)
            if opened is not None:
                yield Stated((opened.value, 1), opened.place)


def left_to_machine(privileged: Field) -> Stated[str] | None:
    """Return that a container is privileged, or may be: it has all devices of its machine."""
    if not privileged.truth() and placeholder(privileged) is None:
        return None
    return Stated(f"{privileged.name}: {privileged.text()}", privileged.place())


def is_left_open(name: str) -> bool:
    """Tell whether the name of an accelerator is filled in later.

    What begins with words says enough: ``/dev/video${N}`` is a camera anyhow.
    """
    return any(name.removeprefix("/dev/").startswith(one) for one in templates_in(name))


def first_open(
    accelerators: Iterable[Stated[tuple[str, int]]], amounts: Iterable[Field]
) -> Stated[str] | None:
    """Return the first name, else the first number of them, that is filled in later."""
    for one in accelerators:
        if is_left_open(one.value[0]):
            return Stated(one.value[0], one.place)
    for amount in amounts:
        text = amount.text() or ""
        if templates_in(text):
            return Stated(f"{amount.name}: {text}", amount.pair_place())
    return None
