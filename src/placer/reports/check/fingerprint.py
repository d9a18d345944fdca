"""What makes a finding the same one although lines moved: for reports that track findings."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Callable, Sequence

from placer.core.gate import GateFinding


def fingerprints(findings: Sequence[GateFinding], name: Callable[[str], str] = str) -> list[str]:
    """Return a hash for each finding, all different, without line numbers.

    Of rule, path, document, JSON pointer, deployment and workload; equal ones are numbered.

    Parameters
    ----------
    name
        Names a path, so that it is the same one wherever the check was run.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for one in findings:
        parts = (
            one.rule,
            posixpath.normpath(name(one.place.path)),
            str(one.place.document),
            one.place.pointer,
            one.deployed or "",
            one.workload or "",
        )
        seen[parts] += 1
        text = "\0".join((*parts, str(seen[parts])))
        found.append(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    return found
