"""PLC715: the manifest demands another kind of machine than the site is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from placer.core.deployment import Deployed, Place
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.project import Unresolved, templates_in


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    if isinstance(case.site, Unresolved):
        return ()
    known = _known(case)
    findings: tuple[GateFinding, ...] = ()
    for demand in _demands(case.deployed):
        had = known[demand.what]
        wrong = _wrong(demand, had)
        if not had or not wrong:
            continue
        findings += found(
            "PLC715",
            case,
            f"the manifest demands {wrong}, {case.site_name} is {' or '.join(sorted(had))} as far "
            "as is known: what would run was not measured",
            f"correct the manifest; or give such machines a site of their own in "
            f"{case.project.path}, and measure there",
            outcome=Outcome.INCONCLUSIVE,
            severity=Severity.ERROR,
            place=demand.place,
            value=wrong,
            limit=", ".join(sorted(had)),
            subject=f"{case.declared_site} {demand.what}",
        )
    return findings


@dataclass(frozen=True, slots=True)
class _Demand:
    what: str
    """``arch`` or ``os``."""
    values: tuple[str, ...]
    """One of them must fit, or none of them may."""
    place: Place
    is_wanted: bool = True


def _known(case: GateCase) -> dict[str, frozenset[str]]:
    """Return what is known of the site: of its evidence, and of its device."""
    assert not isinstance(case.site, Unresolved)
    archs, systems = [], []
    record, device = case.chosen, case.site.entry.device
    if record is not None and record.measurement is not None:
        archs.append(record.measurement.machine.architecture)
        systems.append(record.measurement.machine.os.partition(" ")[0])
    if device is not None and device.architecture is not None:
        archs.append(device.architecture)
    return {
        "arch": frozenset(_arch(one) for one in archs if one),
        "os": frozenset(_SYSTEMS[one.lower()] for one in systems if one.lower() in _SYSTEMS),
    }


def _demands(deployed: Deployed) -> Iterator[_Demand]:
    where, keys = deployed.where, _KEYS
    if deployed.format == "greengrass":
        keys = {**_KEYS, "architecture": "arch", "os": "os"}
    fixed = [(one.value[0], (one.value[1],), one.place, True) for one in where.labels]
    said: list[tuple[str, tuple[str, ...], Place, bool]] = [*fixed]
    said += [(*one.value, one.place, True) for one in where.any_of]
    said += [(*one.value, one.place, False) for one in where.none_of]
    told: set[str] = set()
    for key, values, place, is_wanted in said:
        what = keys.get(key.lower())
        if what is not None and values:
            told |= {what} if is_wanted else set()
            yield _Demand(what, values, place, is_wanted)
    if where.platform is not None:
        for what, value in _parts(where.platform.value):
            if what not in told:
                yield _Demand(what, (value,), where.platform.place)


def _parts(platform: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of ``linux/arm64``, ``arm64`` or ``linux``; other words say neither."""
    first, slash, rest = platform.partition("/")
    if templates_in(platform):
        yield "arch", platform
    elif slash and f"{first}/{rest}".lower() not in _ARCHS:
        yield "os", first
        yield "arch", rest
    elif platform.lower() in _SYSTEMS:
        yield "os", platform
    elif platform.lower() in _ARCHS or platform.lower() in _ARCHS.values():
        yield "arch", platform


def _wrong(demand: _Demand, had: Sequence[str] | frozenset[str]) -> str:
    """Say what of a demand the site is not known to meet; empty: nothing."""
    told = " or ".join(demand.values)
    if any(templates_in(value) for value in demand.values):
        return f"{told}, which is filled in later,"
    if demand.what == "arch":
        meant = {_arch(value) for value in demand.values}
    else:
        meant = {_SYSTEMS.get(value.lower(), value.lower()) for value in demand.values}
        if demand.is_wanted and not meant & set(_SYSTEMS.values()):
            return ""  # a distribution, or all of them
    if demand.is_wanted:
        return "" if meant & set(had) or "*" in meant else told
    return f"anything but {told}" if set(had) <= meant else ""


def _arch(name: str) -> str:
    return _ARCHS.get(name.lower(), name.lower())


_KEYS = {
    "kubernetes.io/arch": "arch",
    "beta.kubernetes.io/arch": "arch",
    "node.platform.arch": "arch",
    "kubernetes.io/os": "os",
    "beta.kubernetes.io/os": "os",
    "node.platform.os": "os",
}
"""Labels that a node has by what it is."""
_SAME = {
    "x86_64": "amd64 x64 x86_64 x86-64 amd64/v1 amd64/v2 amd64/v3",
    "aarch64": "arm64 aarch64 arm64v8 arm64/v8 armv8 aarch64_be",
    "arm": "arm armhf arm32v7 arm/v6 arm/v7 arm/v5 armv5l armv6l armv7l armv7 armv8l",
    "x86": "386 x86 i386 i486 i586 i686",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "loong64": "loong64 loongarch64",
}
_ARCHS = {word: name for name, words in _SAME.items() for word in words.split()}
"""How systems and container tools call an architecture -> one name for each."""
_SYSTEMS = {"linux": "linux", "windows": "windows", "darwin": "darwin", "macos": "darwin"}

RULE = GateRule(
    id="PLC715",
    title="another kind of machine than the site is",
    severity=Severity.ERROR,
    what="Whether the architecture and the operating system that a manifest demands (a node label, "
    "an affinity, a platform) are those of the machine that was measured, or of the device of its "
    "site. One that is filled in later is inconclusive as well.",
    why="A label leads to the site, and another one beside it to the nodes of that site which "
    "nobody measured. On another architecture another build runs, and takes another time.",
    example="`kubernetes.io/arch: arm64` at a site whose device is x86_64: inconclusive.",
    fix="Correct the manifest, or make such machines a site of their own and measure there.",
    check=_check,
)
