"""The architecture that a model has by its structure or is said to have: whose times that gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from placer.api.sites import published_time
from placer.core.compute import ComputeEstimate, NoEstimate
from placer.core.environment import Assumption, Basis, CloudOffer, Device
from placer.core.errors import UsageError
from placer.core.graph import ModelSummary
from placer.core.measured_rows import why_not_on
from placer.core.placement import CloudSite, EdgeSite
from placer.core.structure import Match, match
from placer.core.units import format_factor

if TYPE_CHECKING:
    import datetime

    from placer.core.measured_rows import Published
    from placer.core.variant import Variant

NONE = "none"
"""In place of a row: no published time is used, whatever the structure of the model."""
_HINT = "`placer catalog show DEVICE --sla 20ms` lists what was measured on a device"


@dataclass(frozen=True, slots=True)
class Choice:
    """From which published measurements the times of one model come."""

    variant: Variant | None
    model: ModelSummary
    known: tuple[Published, ...] = ()
    """Those of its architecture."""
    match: Match | None = None
    """By its structure; None: named by the user, or there is none."""

    @property
    def rows(self) -> tuple[Published, ...]:
        """Those of ``known`` that hold for the model."""
        return () if self.match is not None and self.match.refusal else self.known


def choices_of(
    architecture: str | None,
    models: Sequence[tuple[Variant | None, ModelSummary]],
    sites: Sequence[Device | CloudOffer],
    as_of: datetime.date,
) -> tuple[Choice, ...]:
    """Return a choice for each model, in their order: the model itself, then its variants.

    A variant that placer made has the architecture of the model. Of another file the structure
    tells it, the user's word does not.

    Parameters
    ----------
    architecture
        The row that the user named; None: by structure; ``NONE``: no published time.
    sites
        Those that are not measured now.

    Raises
    ------
    UsageError
        No row has the name, or its source has nothing on any of these sites: before measuring.
    """
    if architecture is None:
        found: list[Choice] = []
        for variant, model in models:
            taken = found[0] if variant is not None and variant.made is not None else None
            known, by = (taken.known, taken.match) if taken else _by_structure(model, as_of)
            found.append(Choice(variant, model, known, by))
        return tuple(found)
    if architecture == NONE:
        return tuple(Choice(variant, model) for variant, model in models)
    from placer.files.measured import load_published

    published = load_published(architecture, as_of)
    names = [site.name for site in sites]
    if not any(row.site in names for row in published.rows):
        why = (
            why_not_on(published, names[0])
            if names
            else "this machine is measured, and there is no cloud"
        )
        raise UsageError(f"--as {published.name} answers nothing here: {why}", hint=_HINT)
    return tuple(
        Choice(variant, model, () if _is_other_file(variant) else (published,))
        for variant, model in models
    )


def _by_structure(
    model: ModelSummary, as_of: datetime.date
) -> tuple[tuple[Published, ...], Match | None]:
    if model.structure is None:
        return (), None
    from placer.files.measured import load_published
    from placer.files.structures import architectures_like

    shapes = [tensor.shape for tensor in model.inputs]
    found = match(model.structure, shapes, architectures_like(model.structure))
    if found is None:
        return (), None
    one = found.architecture
    return tuple(load_published(row, as_of, architecture=one.name) for row in one.rows), found


def _is_other_file(variant: Variant | None) -> bool:
    return variant is not None and variant.made is None


def architecture_assumptions(
    architecture: str | None,
    choices: Sequence[Choice],
    device: Device,
    edges: Sequence[EdgeSite],
    clouds: Sequence[CloudSite],
) -> tuple[Assumption, ...]:
    """Return what the models are taken for, and whose times that gives.

    Where a published time would answer but is of another work, or could be one of two, that is
    told too; where nothing is published, nothing is.

    Raises
    ------
    UsageError
        The row that the user named gives no site a time; the message says why.
    """
    places: list[_Place] = [
        *((device, edge) for edge in edges),
        *((cloud.offer, cloud) for cloud in clouds),
    ]
    if architecture not in (None, NONE):
        return (_as_named(choices[0], places),)
    return tuple(dict.fromkeys(_as_matched(choices, places)))


_Place = tuple[Device | CloudOffer, EdgeSite | CloudSite]


def _as_named(choice: Choice, places: Sequence[_Place]) -> Assumption:
    (published,) = choice.known
    answered: list[str] = []
    whys: list[str] = []
    known = {row.site for row in published.own}
    # where the source has the model, or nowhere: then the device tells
    told = [one for one in places if one[0].name in known] or places[:1]
    for place, site in places:
        what = f"{place.name} ({site.ep})"
        row = None if _is_other_file(site.variant) else _row_of(choice, place, site)
        if isinstance(row, ComputeEstimate) and _is_used(row, site):
            answered.append(f"{what}: {_cited(row)}")
        elif (place, site) in told:
            whys.append(_why_not(row, site, what))
    if not answered:
        raise UsageError(
            f"--as {published.name} answers nothing here: {'; '.join(dict.fromkeys(whys))}",
            hint=_HINT,
        )
    return Assumption(
        "architecture",
        published.name,
        "",
        Basis.ASSUMED,
        f"--as: nothing checks that the model, of {choice.model.n_nodes} nodes, is this one; "
        + "; ".join(dict.fromkeys(answered)),
    )


def _why_not(
    row: ComputeEstimate | NoEstimate | None, site: EdgeSite | CloudSite, what: str
) -> str:
    if site.time.measurement is not None:
        return f"{what} is measured"
    if row is None:
        return f"{what}: another file may be another architecture than the model"
    if isinstance(row, NoEstimate):
        return row.reason
    if site.time.estimate is not None:
        return f"{what} is estimated by what was learnt of it"
    return f"{what} could not run it"


def _as_matched(choices: Sequence[Choice], places: Sequence[_Place]) -> Iterator[Assumption]:
    for choice in choices:
        if choice.match is None:
            continue
        one, refusal = choice.match.architecture, choice.match.refusal
        answered: dict[str, list[str]] = {}
        unused: list[str] = []
        unclear: list[str] = []
        for place, site in places:
            if site.variant is not choice.variant or site.time.measurement is not None:
                continue
            what, found = f"{place.name} ({site.ep})", _row_of(choice, place, site)
            answers = [
                (published.name, row)
                for published in choice.known
                if isinstance(row := _row_of(choice, place, site, published), ComputeEstimate)
            ]
            if refusal and answers:
                unused.append(what)
            elif isinstance(found, ComputeEstimate) and _is_used(found, site):
                name = next(name for name, row in answers if row == found)
                answered.setdefault(name, []).append(f"{what}: {_cited(found)}")
            elif isinstance(found, NoEstimate) and answers:
                unclear.append(found.reason)
        for name, cited in answered.items():
            yield Assumption(
                "architecture",
                name,
                "",
                Basis.ASSUMED,
                f"by structure: its {one.structure.n_layers} layers with weights are those of "
                f"{one.name}, its training is not known; --as names another row, --as none uses "
                f"no published time; {'; '.join(dict.fromkeys(cited))}",
            )
        if unused:
            yield _none(
                f"by structure it is {one.name}, but {refusal}: {' and '.join(one.rows)} "
                f"answers nothing for {', '.join(dict.fromkeys(unused))}"
            )
        for reason in dict.fromkeys(unclear):
            yield _none(f"by structure it is {one.name}, but {reason}")


def _none(why: str) -> Assumption:
    return Assumption("architecture", NONE, "", Basis.ASSUMED, why)


def _row_of(
    choice: Choice,
    place: Device | CloudOffer,
    site: EdgeSite | CloudSite,
    published: Published | None = None,
) -> ComputeEstimate | NoEstimate:
    """Return the published time of a site, of all known rows or of one model's."""
    coverage = site.coverage if isinstance(site, EdgeSite) else None
    rows = choice.known if published is None else (published,)
    model = choice.model if site.variant is None else site.variant.model
    return published_time(rows, place, model, site.ep, site.variant, coverage)


def _is_used(row: ComputeEstimate, site: EdgeSite | CloudSite) -> bool:
    return site.time.measurement is None and site.time.estimate == row


def _cited(row: ComputeEstimate) -> str:
    return f"{row.level}, ×/÷ {format_factor(row.high_s / row.median_s)}, {row.source}"
