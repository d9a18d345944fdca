"""What leaves the device, and where it may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from placer.core.environment import CloudOffer
from placer.core.estimate import Placement
from placer.core.workload import DataClass, Leaves, Workload

EU_MEMBERS = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip
"""ISO 3166-1 codes of the member states of the European Union (since 2020-02-01)."""
EEA_BESIDE_EU = frozenset({"IS", "LI", "NO"})
"""States of the European Economic Area outside the Union: GDPR holds there (EEA joint committee
decision 154/2018)."""

_ALIASES = {"GB": "UK", "EL": "GR"}
_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ
BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM
DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS
GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ
MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
VN VU WF WS YE YT ZA ZM ZW
"""
"""ISO 3166-1 alpha-2. Source: tz database, iso3166.tab (2023-09-06)."""
JURISDICTIONS = frozenset(_CODES.split()) | {"EU", "EEA", "UK", "EL", "XK"}
"""Kosovo has no code of ISO's, and XK by usage."""


@dataclass(frozen=True, slots=True)
class Transport:
    """What a data class asks of raw input that leaves the device."""

    may_leave: bool
    needs_encryption: bool
    needs_region: bool
    """The regions where it may be processed must be stated."""


TRANSPORT = {
    DataClass.PUBLIC: Transport(may_leave=True, needs_encryption=False, needs_region=False),
    DataClass.INTERNAL: Transport(may_leave=True, needs_encryption=True, needs_region=False),
    DataClass.PERSONAL: Transport(may_leave=True, needs_encryption=True, needs_region=True),
    DataClass.SPECIAL: Transport(may_leave=False, needs_encryption=True, needs_region=True),
}
"""Public: anything. Internal: encrypted (ISO/IEC 27001:2022 annex A 5.14). Personal: encrypted
(GDPR article 32) and to a stated region (chapter V). Special: stays (article 9 forbids processing
it unless an exception holds, which no tool can know)."""


LEAVES_WORDS = {
    Leaves.NOTHING: "nothing",
    Leaves.OUTPUT: "output",
    Leaves.INTERMEDIATE: "intermediate data",
    Leaves.RAW_INPUT: "raw input",
}
"""As sentences name what leaves."""


def leaves(placement: Placement) -> Leaves:
    """Return the most revealing thing that leaves the device under a placement.

    A fallback sends raw input as soon as either side is busy or down, so it counts as sending it.
    A split is taken to be cut where no raw tensor crosses: see `CutFacts.raw`.
    """
    match placement:
        case Placement.EDGE | Placement.NONE:
            return Leaves.NOTHING
        case Placement.CLOUD | Placement.FALLBACK | Placement.CASCADE:
            return Leaves.RAW_INPUT
        case Placement.SPLIT:
            return Leaves.INTERMEDIATE
        case _:
            assert_never(placement)


def most_that_may_leave(workload: Workload) -> Leaves:
    """Return the most revealing thing that may leave the device: as stated, else by the class.

    Class special keeps raw input here, as article 9 of GDPR has it; what a model made of it may go.
    """
    if workload.may_leave is not None:
        return workload.may_leave
    match workload.data_class:
        case DataClass.SPECIAL:
            return Leaves.INTERMEDIATE
        case _:
            return Leaves.RAW_INPUT


def allowed_in(
    region: str | None,
    jurisdiction: str | None,
    allowed: tuple[str, ...],
    country: str | None = None,
) -> bool | None:
    """Tell whether a place is among the allowed ones; None: not known.

    An allowed place is a region's own name, a jurisdiction (``EU`` covers its member states,
    ``EEA`` the EU and Iceland, Liechtenstein and Norway) or a country. Case does not matter.

    Parameters
    ----------
    region
        The provider's region name; None: unknown.
    jurisdiction
        ``EU``, ``US``, ... or a country; None: unknown.
    allowed
        Empty: not restricted.
    country
        ISO 3166-1 alpha-2; None: unknown.
    """
    if not allowed:
        return True
    places = {_place(name) for name in allowed}
    if region is not None and _place(region) in places:
        return True
    if jurisdiction is None and country is None:
        return None
    where = _place(country or jurisdiction or "")
    if places & _covering(where):
        return True
    inside = {"EU": EU_MEMBERS, "EEA": EU_MEMBERS | EEA_BESIDE_EU | {"EU"}}.get(where, frozenset())
    names_a_region = any(len(place) > 3 for place in places)
    if places & inside or (region is None and names_a_region):
        return None
    return False


def law_of(offer: CloudOffer) -> str:
    """Return country and jurisdiction of an offer for people: ``DE, EU``; one if they are alike."""
    words = [_place(word) for word in (offer.country, offer.jurisdiction) if word]
    return ", ".join(dict.fromkeys(words)) or "unknown"


def _place(name: str) -> str:
    upper = name.strip().upper()
    return _ALIASES.get(upper, upper)


def _covering(place: str) -> set[str]:
    """Return the names that cover a place, its own included."""
    if place in EU_MEMBERS or place == "EU":
        return {place, "EU", "EEA"}
    return {place, "EEA"} if place in EEA_BESIDE_EU else {place}
