"""``docs/verifying.md``: its keys, outcomes and exit codes are those of the code."""

from __future__ import annotations

import re

from placer.core.predicted import REUSE_FACTOR
from placer.core.verification import Outcome
from placer.reports.verification import EXIT_CODES
from placer.reports.verification.json import verification_schema
from tests import pages
from tests.contract.test_json_page import HEAD, key_rows

PAGE = pages.read("verifying.md")


def test_lists_every_key_as_the_schema_describes_it() -> None:
    wanted = list(key_rows(verification_schema(), whole=True))
    found = pages.table(PAGE, HEAD)
    assert found == wanted, "docs/verifying.md needs:\n" + "\n".join(wanted)


def test_tells_when_each_outcome_is_given() -> None:
    rows = pages.table(PAGE, "| outcome | when |")
    told = {row.split(" | ")[0].strip("| ").replace(" ", "_") for row in rows}
    assert told == {one.value for one in Outcome}


def test_tells_every_exit_code_of_an_outcome_and_the_factor_of_reuse() -> None:
    codes = " ".join(row.split(" | ")[0] for row in pages.table(PAGE, "| exit code | when |"))
    assert {int(code) for code in re.findall(r"\d+", codes)} == {*EXIT_CODES.values(), 2, 3, 4}
    assert f"×/÷ {REUSE_FACTOR:.2f}" in PAGE
