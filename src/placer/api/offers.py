"""The cloud offers of a question: those named, else the cheapest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from placer.core.environment import ChipClass, CloudOffer
from placer.core.workload import Workload

if TYPE_CHECKING:
    pass


def load_offers(
    clouds: Sequence[str], workload: Workload, sites: Sequence[str | None]
) -> tuple[tuple[CloudOffer, ...], str | None]:
    """Return the offers asked about; by default those with evidence, else the cheapest allowed.

    Returns
    -------
    The offers, and by what they were chosen; None: they were named.
    """
    from placer.files import catalogue

    texts, why = list(clouds), None
    if not texts:
        known = catalogue.list_names(catalogue.Kind.CLOUDS)
        texts = [site for site in sites if site is not None and site.partition("@")[0] in known]
        why = "those with evidence"
    if not texts:
        return _default_offers(workload.regions)
    offers = [offer for text in texts for offer in catalogue.load_cloud(text)]
    return tuple({(offer.name, offer.region): offer for offer in offers}.values()), why


def _default_offers(regions: tuple[str, ...]) -> tuple[tuple[CloudOffer, ...], str]:
    """Return the cheapest CPU and GPU offer, within the allowed regions if any are stated."""
    from placer.core.privacy import allowed_in
    from placer.files import catalogue

    if not regions:
        offers = catalogue.default_offers()
        return offers, f"the cheapest {_kinds(offers)} offer"
    usable = sorted(
        (
            offer
            for offer in catalogue.all_offers()
            if offer.usd_per_hour is not None
            and offer.roofline is not None
            and allowed_in(offer.region, offer.jurisdiction, regions, offer.country)
        ),
        key=lambda offer: (offer.usd_per_hour or 0.0, offer.name),
    )
    cheapest: dict[ChipClass, CloudOffer] = {}
    for offer in usable:
        cheapest.setdefault(offer.chip_class, offer)
    offers = tuple(cheapest.values())
    if offers:
        return offers, f"the cheapest {_kinds(offers)} offer in the regions stated"
    offers = catalogue.default_offers()
    return offers, f"the cheapest {_kinds(offers)} offer, none is known in the regions stated"


def _kinds(offers: Sequence[CloudOffer]) -> str:
    return " and ".join(offer.chip_class.value.upper() for offer in offers)
