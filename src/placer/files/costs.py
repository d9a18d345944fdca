"""The file form of a split: times, sizes and links of anyone's, as JSON.

``docs/splitting.md`` describes it. What pydantic can see is checked here, the rest in core; both
name the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from placer.core.errors import UsageError, near_match
from placer.core.partition.problem import (
    MAX_FIGURE,
    CostGraph,
    DirectLink,
    Link,
    Node,
    Objective,
    Piece,
    Power,
    Problem,
    Site,
    Tensor,
)
from placer.core.printable import printable
from placer.files.evidence import read_text

_HINT = "`placer schema costs` prints the format"
_Name = Annotated[str, Field(min_length=1, max_length=1000)]
_Pieces = tuple[tuple[float, float], ...]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class _NodeSpec(_Spec):
    name: _Name
    time_s: tuple[float | None, ...]
    """Seconds on each tier; null: it cannot run there."""
    tier: int | None = None
    """The only tier it may run on, from 0."""


class _TensorSpec(_Spec):
    name: _Name
    producer: _Name
    consumers: tuple[_Name, ...]
    n_bytes: float = Field(alias="bytes")
    keep_up_to_tier: int | None = None
    """No node that makes or takes it runs beyond this tier, from 0."""


class _LinkSpec(_Spec):
    rtt_s: float | None = None
    uplink_bytes_per_s: float | None = None
    downlink_bytes_per_s: float | None = None
    pieces: _Pieces | None = None
    """Instead of the uplink: [[fixed_s, s_per_byte], ...], of which the least counts."""
    down_pieces: _Pieces | None = None
    """Instead of the downlink, likewise."""

    def to_core(self, key: str, *, up: float | None, down: float | None) -> Link:
        """Return the link; up and down are its prices per byte."""
        is_rated = self.pieces is None
        if is_rated and self.rtt_s is None:
            raise UsageError(f"{key}.rtt_s: the key is missing", hint="seconds; 0 is allowed")
        return Link(
            rtt_s=self.rtt_s or 0.0,
            up=_direction(key, "uplink_bytes_per_s", self.uplink_bytes_per_s, self.pieces),
            down=_direction(
                key, "downlink_bytes_per_s", self.downlink_bytes_per_s, self.down_pieces
            ),
            usd_per_byte_up=up,
            usd_per_byte_down=down,
        )


class _DirectSpec(_LinkSpec):
    from_tier: int = Field(alias="from")
    to_tier: int = Field(alias="to")
    usd_per_byte_up: float | None = None
    usd_per_byte_down: float | None = None


class _PricesSpec(_Spec):
    usd_per_s: tuple[float, ...]
    """Of a second of computing on each tier."""
    usd_per_byte_up: tuple[float, ...]
    """Of each link."""
    usd_per_byte_down: tuple[float, ...]


class _PowerSpec(_Spec):
    active_w: float
    idle_w: float
    send_w: float
    receive_w: float


class _CostsSpec(_Spec):
    tiers: tuple[_Name, ...]
    """From the device on."""
    nodes: tuple[_NodeSpec, ...]
    tensors: tuple[_TensorSpec, ...]
    links: tuple[_LinkSpec, ...]
    """Link k joins the tiers k and k + 1."""
    outputs: tuple[_Name, ...] = ()
    """Tensors that come back to tier 0."""
    objective: str = Field(
        default=Objective.LATENCY.value,
        json_schema_extra={"enum": [objective.value for objective in Objective]},
    )
    latency_limit_s: float | None = None
    """With the objective money or energy."""
    direct: tuple[_DirectSpec, ...] = ()
    """Links that skip tiers."""
    prices: _PricesSpec | None = None
    power: _PowerSpec | None = None
    """Of the device."""


@dataclass(frozen=True, slots=True)
class CostsFile:
    """A problem with what is asked of it."""

    problem: Problem
    objective: Objective
    latency_limit_s: float | None


def read_costs(path: str) -> CostsFile:
    """Read a file of costs.

    Raises
    ------
    InputError
        The file is missing or unreadable.
    UsageError
        It is not JSON, or no costs; says where.
    """
    return parse_costs(read_text(path, hint=_HINT), path=path)


def parse_costs(text: str, *, path: str) -> CostsFile:
    """Parse the text of a file of costs.

    Parameters
    ----------
    path
        Where the text comes from, for messages.

    Raises
    ------
    UsageError
        It is not JSON, or no costs; says where.
    """
    _check_json(text, path)
    try:
        spec = _CostsSpec.model_validate_json(text.removeprefix("\ufeff"))
        return _to_core(spec)
    except ValidationError as error:
        raise UsageError(printable(f"{path}: {_first_problem(error)}"), hint=_HINT) from error
    except UsageError as error:
        raise UsageError(printable(f"{path}: {error.message}"), hint=error.hint) from error


def costs_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a file of costs."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:costs:v1",
        **_CostsSpec.model_json_schema(by_alias=True),
    }


def _to_core(spec: _CostsSpec) -> CostsFile:
    graph = CostGraph(
        nodes=tuple(Node(one.name, one.time_s, one.tier) for one in spec.nodes),
        tensors=tuple(
            Tensor(one.name, one.producer, one.consumers, one.n_bytes, one.keep_up_to_tier)
            for one in spec.tensors
        ),
        outputs=spec.outputs,
    )
    n_tiers = len(spec.tiers)
    n_links = max(n_tiers - 1, 0)  # that there is no tier is core's to say
    for_sites: tuple[float | None, ...] = (None,) * n_tiers
    up: tuple[float | None, ...] = (None,) * n_links
    down = up
    if spec.prices is not None:
        for_sites = _counted("usd_per_s", spec.prices.usd_per_s, n_tiers)
        up = _counted("usd_per_byte_up", spec.prices.usd_per_byte_up, n_links)
        down = _counted("usd_per_byte_down", spec.prices.usd_per_byte_down, n_links)
    if len(spec.links) != n_links:
        raise UsageError(
            f"links: {len(spec.links)} links between {n_tiers} tiers",
            hint=f"list {n_links}: link k joins the tiers k and k + 1",
        )
    links = tuple(
        link.to_core(f"links[{place}]", up=up[place], down=down[place])
        for place, link in enumerate(spec.links)
    )
    direct = tuple(
        DirectLink(
            one.from_tier,
            one.to_tier,
            one.to_core(f"direct[{place}]", up=one.usd_per_byte_up, down=one.usd_per_byte_down),
        )
        for place, one in enumerate(spec.direct)
    )
    if spec.objective not in list(Objective):
        words = [objective.value for objective in Objective]
        raise UsageError(
            f"objective: '{spec.objective[:60]}' is unknown{near_match(spec.objective, words)}",
            hint=f"one of: {' '.join(words)}",
        )
    sites = map(Site, spec.tiers, for_sites)
    power = None if spec.power is None else Power(**spec.power.model_dump())
    problem = Problem(graph, tuple(sites), links, direct, power)
    return CostsFile(problem, Objective(spec.objective), spec.latency_limit_s)


def _counted(name: str, values: tuple[float, ...], count: int) -> tuple[float, ...]:
    if len(values) != count:
        raise UsageError(
            f"prices.{name}: {len(values)} prices for {count}",
            hint="usd_per_s has one for each tier, the prices of a byte one for each link",
        )
    return values


def _direction(
    key: str, name: str, rate_bytes_per_s: float | None, pieces: _Pieces | None
) -> tuple[Piece, ...]:
    other = "pieces" if name.startswith("up") else "down_pieces"
    if pieces is not None:
        if rate_bytes_per_s is not None:
            raise UsageError(f"{key}: both {name} and {other} are given", hint="keep one")
        if not pieces:
            raise UsageError(
                f"{key}.{other}: there is none", hint="write [[fixed_s, s_per_byte], ...]"
            )
        return tuple(Piece(fixed_s, s_per_byte) for fixed_s, s_per_byte in pieces)
    if rate_bytes_per_s is None:
        if other == "down_pieces":
            return ()  # core asks for it where there are outputs
        raise UsageError(
            f"{key}.{name}: the key is missing", hint=f"bytes per second, or `{other}`"
        )
    if not rate_bytes_per_s >= 1 / MAX_FIGURE:
        raise UsageError(
            f"{key}.{name}: {rate_bytes_per_s} is no rate",
            hint="bytes per second, above 0; leave a link out by pins instead",
        )
    return (Piece(0.0, 1 / rate_bytes_per_s),)


def _check_json(text: str, path: str) -> None:
    """Raise UsageError where a text is no JSON, or says one thing twice."""

    def refuse_constant(name: str) -> NoReturn:
        raise UsageError(f"{path}: {name} is not a number in JSON", hint=_HINT)

    def unique(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise UsageError(
                    f"{path}: the key '{printable(name[:60])}' stands twice in one object",
                    hint="keep one",
                )
            seen.add(name)

    try:
        json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=unique, parse_constant=refuse_constant
        )
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg.lower()}", hint=_HINT
        ) from error
    except ValueError as error:
        raise UsageError(f"{path}: a number has too many digits", hint=_HINT) from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply", hint=_HINT) from error


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    parts = first["loc"]
    where = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in parts).lstrip(".")
    match first["type"]:
        case "missing":
            what = "the key is missing"
        case "extra_forbidden":
            known = sorted(_keys())
            what = f"unknown key{near_match(str(parts[-1]), known)}"
        case _:
            what = first["msg"].removeprefix("Input ")
            what = what[:1].lower() + what[1:]
            if isinstance(first["input"], str | int | float | None):
                what += f", found {json.dumps(first['input'])[:60]}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where}: {what}{more}" if where else f"{what}{more}"


def _keys() -> Iterator[str]:
    for spec in (_CostsSpec, _NodeSpec, _TensorSpec, _DirectSpec, _PricesSpec, _PowerSpec):
        for name, field in spec.model_fields.items():
            yield field.alias or name
