"""``docs/calibrating.md``: its keys are those of the file and of the answer."""

from __future__ import annotations

import json
import re

from placer.core.calibration import Timing, Work, calibrate
from placer.files.calibration import calibration_schema
from placer.reports.calibration import to_json
from tests import pages
from tests.contract.test_json_page import HEAD, key_rows

PAGE = pages.read("calibrating.md")


def test_lists_every_key_of_the_file_as_the_schema_describes_it() -> None:
    wanted = list(key_rows(calibration_schema(), whole=True))
    found = pages.table(PAGE, HEAD)
    assert found == wanted, "docs/calibrating.md needs:\n" + "\n".join(wanted)


def test_lists_every_key_of_the_answer() -> None:
    works = [Work(str(n), n * 1e8, n**2 * 1e5, 20.0 + n % 3) for n in range(1, 9)]
    timings = [Timing(one, 1e-4 + one.flops / 1e10, "test") for one in works]
    fitted = calibrate(timings)
    document = json.loads(to_json(fitted, "test", [fitted.predict(works[0])]))
    rows = dict(row.strip("| ").split(" | ", 1) for row in pages.table(PAGE, "| key | what |"))
    names = [name for cell in rows for name in re.findall(r"`(\w+)`", cell)]
    assert names == list(document)
    told = re.findall(r"`(\w+)`", rows["`predictions`"])
    assert list(dict.fromkeys(told)) == list(document["predictions"][0])
