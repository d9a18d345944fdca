"""A check of an earlier revision, and what changed since."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from placer.core.deployment import Place
from placer.core.errors import InputError, UsageError
from placer.core.gate import CheckResult, GateFinding
from placer.core.judging import worst

WORSE_RATIO = 1.02
"""A p99 that grew less did not get worse: the interval of a median is as wide."""
GIT_TIMEOUT_S = 120.0


def result_of_base(
    revision: str,
    paths: Sequence[str],
    project: str,
    check: Callable[[Sequence[str], str], CheckResult],
) -> CheckResult | None:
    """Check the files of a revision on its own project file, lock and evidence.

    Parameters
    ----------
    paths
        As typed.
    project
        Path of the project file as typed.
    check
        Checks paths with a project file.

    Returns
    -------
    The result, its places named as the paths are now; None: the revision has no project file, or
    nothing to check.

    Raises
    ------
    UsageError
        No git, no repository, no such revision, or a path outside of the repository.
    """
    root = Path(_git(["rev-parse", "--show-toplevel"], revision).decode().strip())
    named = _git(["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"], revision)
    commit = named.decode().strip()
    with tempfile.TemporaryDirectory(prefix="placer-base-") as folder:
        content = _git(["-C", str(root), "archive", "--format=tar", commit], revision)
        with tarfile.open(fileobj=BytesIO(content)) as archive:
            archive.extractall(folder, filter=_harmless)
        there = {path: _moved(path, root, folder) for path in (*paths, project)}
        if not Path(there[project]).is_file():
            return None
        known = [there[path] for path in paths if _exists(there[path])]
        if not known:
            return None
        try:
            found = check(known, there[project])
        except InputError:
            return None
        return _renamed(found, {moved: path for path, moved in there.items()})


def _harmless(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
    """Leave out what leads out of the folder, such as a link to ``/etc``."""
    try:
        return tarfile.data_filter(member, path)
    except tarfile.FilterError:
        return None


def _exists(path: str) -> bool:
    return Path(path).exists() or any(character in path for character in "*?[")


def since(now: CheckResult, before: CheckResult | None, revision: str) -> CheckResult:
    """Return a result with what is new since the base alone, what got worse and what was mended."""
    if before is None:
        return replace(now, base=revision)
    new = _beyond(now.findings, before.findings)
    p99_s = {(one.path, one.id): one.p99_s for one in before.checked}
    worse = []
    for one in now.checked:
        before_s = p99_s.get((one.path, one.id))
        if before_s is not None and one.p99_s is not None and one.p99_s > WORSE_RATIO * before_s:
            worse.append((one.path, one.id, before_s, one.p99_s))
    return replace(
        now,
        outcome=worst(one.outcome for one in new),
        findings=new,
        base=revision,
        worse=tuple(worse),
        fixed=_beyond(before.findings, now.findings),
    )


def _beyond(
    findings: Sequence[GateFinding], others: Sequence[GateFinding]
) -> tuple[GateFinding, ...]:
    """Return the findings that the others do not have, or have less often."""
    left = Counter(_mark(one) for one in others)
    found = []
    for one in findings:
        mark = _mark(one)
        if left[mark] > 0:
            left[mark] -= 1
        else:
            found.append(one)
    return tuple(found)


def _mark(one: GateFinding) -> tuple[str, str, str, str, str, str]:
    """Return what makes two findings the same although lines moved."""
    place = one.place
    return (
        one.rule,
        place.path,
        place.pointer,
        one.deployed or "",
        one.outcome.value,
        one.value or one.message,
    )


def _moved(path: str, root: Path, folder: str) -> str:
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    if inside.startswith(".."):
        raise UsageError(
            f"--base: {path} is not in the repository {root}",
            hint="run it in the repository that holds the manifests",
        )
    return str(Path(folder) / inside)


def _renamed(found: CheckResult, names: dict[str, str]) -> CheckResult:
    """Return a result whose paths are those of the working tree."""

    def path_of(path: str) -> str:
        for moved, typed in names.items():
            if path == moved:
                return typed
            if path.startswith(f"{moved}/"):
                return os.path.join(typed, path.removeprefix(f"{moved}/"))  # noqa: PTH118  # as typed
        return path

    def place_of(place: Place) -> Place:
        return replace(place, path=path_of(place.path))

    def finding_of(one: GateFinding) -> GateFinding:
        path = None if one.deployed_in is None else path_of(one.deployed_in)
        return replace(one, place=place_of(one.place), deployed_in=path)

    return replace(
        found,
        checked=tuple(
            replace(one, path=path_of(one.path), place=place_of(one.place)) for one in found.checked
        ),
        findings=tuple(map(finding_of, found.findings)),
        suppressed=tuple(map(finding_of, found.suppressed)),
    )


def _git(arguments: Sequence[str], revision: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, check=False, timeout=GIT_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"--base {revision}: git cannot be run", hint="install git, or leave --base out"
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1] if said else "no such revision"
        raise UsageError(
            f"--base {revision}: {why}",
            hint="name a commit, branch or tag of this repository; a shallow clone has few: "
            "fetch it first",
        )
    return done.stdout
