"""A check of an earlier revision, and what changed since."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from placer.core.deployment import Place
from placer.core.errors import InputError, UsageError
from placer.core.gate import CheckResult, GateFinding
from placer.core.judging import worst

WORSE_RATIO = 1.02
"""A p99 that grew less did not get worse: the interval of a median is as wide."""
GIT_TIMEOUT_S = 120.0
MAX_BLOB_BYTES = 64 * 2**20
"""What is larger is no manifest, no lock and no evidence."""
_LINK = "120000"
"""Mode of a symbolic link in git's trees."""
_POSITION = re.compile(r"(?<=:)\d+(?::\d+)?\b|\bline \d+(?:, column \d+)?")


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
        _extract(root, commit, folder, revision)
        there = {path: _moved(path, root, folder) for path in (*paths, project)}
        if not Path(there[project]).is_file():
            return None
        known = [there[path] for path in paths if _exists(there[path])]
        if not known:
            return None
        try:
            found = check(known, there[project])
        except (InputError, UsageError):  # nothing could be checked then: all is new
            return None
        return _renamed(found, {moved: path for path, moved in there.items()})


def _extract(root: Path, commit: str, folder: str, revision: str) -> None:
    """Write the files of a commit; attributes that keep a file out of archives do not count.

    Models are left out, which a check of a lock does not read, and links that lead elsewhere.
    """
    listed = _git(["-C", str(root), "ls-tree", "-r", "-z", "-l", "--full-tree", commit], revision)
    wanted: list[tuple[str, str, str]] = []
    for entry in listed.decode("utf-8", "surrogateescape").split("\0"):
        about, _, path = entry.partition("\t")
        mode, kind, digest, size = about.split() if about else ("", "", "", "0")
        if kind == "blob" and int(size) <= MAX_BLOB_BYTES:
            wanted.append((mode, digest, path))
    names = "".join(f"{digest}\n" for _, digest, _ in wanted).encode()
    content = _git(["-C", str(root), "cat-file", "--batch"], revision, stdin=names)
    position = 0
    for mode, _, path in wanted:
        end = content.index(b"\n", position)
        size_bytes = int(content[position:end].split()[2])
        data = content[end + 1 : end + 1 + size_bytes]
        position = end + 1 + size_bytes + 1
        target = Path(folder, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == _LINK:
            place = os.path.normpath(Path(path).parent / os.fsdecode(data))
            if not place.startswith("..") and not os.path.isabs(place):  # noqa: PTH117  # text
                target.symlink_to(os.fsdecode(data))
        else:
            target.write_bytes(data)


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
        one.value or _POSITION.sub("", one.message),
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


def _git(arguments: Sequence[str], revision: str, *, stdin: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            ["git", *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"--base {revision}: git cannot be run", hint="install git, or leave --base out"
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1].removeprefix("fatal: ") if said else "no such revision"
        if "not a git repository" in why:
            raise UsageError(
                f"--base {revision}: this folder is in no git repository",
                hint="run it in the repository that holds the manifests, or leave --base out",
            )
        raise UsageError(
            f"--base {revision}: {why}",
            hint="name a commit, branch or tag of this repository; a shallow clone has few: "
            "fetch it first",
        )
    return done.stdout
