"""A check of an earlier revision, and what changed since."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from placer.api.locking import digest_of
from placer.core.deployment import Place
from placer.core.errors import InputError, UsageError
from placer.core.gate import CheckResult, GateFinding
from placer.core.since import unreadable_paths

GIT_TIMEOUT_S = 120.0
MAX_BLOB_BYTES = 64 * 2**20
"""What is larger is no manifest, no lock and no evidence."""
_LINK = "120000"
"""Mode of a symbolic link in git's trees."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a check of an earlier revision gave."""

    result: CheckResult | None
    """Its places named as the paths are now; None: it could not be checked."""
    without: str = ""
    """Why it could not be checked: all that is found now counts as new."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that could not be read, by its path as it is now."""


def result_of_base(
    revision: str,
    paths: Sequence[str],
    project: str,
    check: Callable[[Sequence[str], str], CheckResult],
) -> Base:
    """Check the files of a revision on its own project file, lock and evidence.

    Parameters
    ----------
    paths
        As typed.
    project
        Path of the project file as typed.
    check
        Checks paths with a project file.

    Raises
    ------
    UsageError
        No git, no repository, no such revision, or a path outside of the repository.
    InputError
        The files of the revision cannot be fetched or written.
    """
    if revision.startswith("-"):
        raise UsageError(
            f"--base {revision}: no revision begins with '-'", hint="name a commit, branch or tag"
        )
    here = str(Path(os.path.realpath(project)).parent)
    top = _git(["-C", here, "rev-parse", "--show-toplevel"], revision)
    root = Path(os.fsdecode(top).rstrip("\n"))
    asked = ["-C", here, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    commit = _git(asked, revision).decode().strip()
    with tempfile.TemporaryDirectory(prefix="placer-base-") as made:
        folder = os.path.realpath(made)
        try:
            _extract(root, commit, folder, revision)
        except OSError as error:
            raise InputError(
                f"--base {revision}: its files cannot be written to {folder} "
                f"({(error.strerror or str(error)).lower()})",
                hint="free some space there, or set TMPDIR to another folder",
            ) from error
        there = {path: _moved(path, root, folder) for path in (*paths, project)}
        if not Path(there[project]).is_file():
            return Base(None, f"no {project} there")
        known = [there[path] for path in paths if _exists(there[path])]
        if not known:
            return Base(None, f"no {', '.join(paths)} there")
        named = _Names(folder, root, {moved: path for path, moved in there.items()})
        try:
            found = check(known, there[project])
        except (InputError, UsageError) as error:  # it had no gate then
            return Base(None, named.text(error.message))
        digests = {
            named.path(path): digest
            for path in unreadable_paths(found)
            if (digest := _digest(path)) is not None
        }
        return Base(named.result(found), digests=digests)


def _extract(root: Path, commit: str, folder: str, revision: str) -> None:
    """Write the files of a commit; attributes that keep a file out of archives do not count.

    Models are left out, which a check of a lock does not read, and links that lead elsewhere.
    """
    listed = _git(["-C", str(root), "ls-tree", "-r", "-z", "-l", "--full-tree", commit], revision)
    wanted: list[tuple[str, str, str]] = []
    for entry in os.fsdecode(listed).split("\0"):
        about, _, path = entry.partition("\t")
        mode, kind, digest, size = about.split() if about else ("", "", "", "0")
        if kind == "blob" and not size.isdigit():
            raise _absent(revision, path, digest)
        if kind == "blob" and int(size) <= MAX_BLOB_BYTES and _is_inside(path):
            wanted.append((mode, digest, path))
    names = "".join(f"{digest}\n" for _, digest, _ in wanted).encode()
    links = []
    with tempfile.TemporaryFile() as content:  # a repository may be larger than the memory
        _git(["-C", str(root), "cat-file", "--batch"], revision, stdin=names, stdout=content)
        content.seek(0)
        for mode, digest, path in wanted:
            head = content.readline().split()
            if len(head) != 3:
                raise _absent(revision, path, digest)
            data = content.read(int(head[2]) + 1)[:-1]
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if mode == _LINK:
                links.append(target)
                target.symlink_to(os.fsdecode(data) or ".")
            else:
                target.write_bytes(data)
    outside = links
    while outside:  # one that goes may have kept another within the folder
        outside = [one for one in links if one.is_symlink() and not _stays(one, folder)]
        for one in outside:
            one.unlink()


def _absent(revision: str, path: str, digest: str) -> InputError:
    return InputError(
        f"--base {revision}: {path} ({digest[:12]}) is not in this clone",
        hint="it is partial: fetch the whole revision first",
    )


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    return all(parts) and ".." not in parts and "." not in parts and parts[0] != ".git"


def _stays(link: Path, folder: str) -> bool:
    return os.path.realpath(link).startswith(f"{folder}{os.sep}")


def _digest(path: str) -> str | None:
    """Return the SHA-256 of a file; None: it is none, or cannot be read."""
    try:
        return digest_of(path)
    except InputError:
        return None


def _exists(path: str) -> bool:
    return Path(path).exists() or any(character in path for character in "*?[")


def changed_unreadable(now: CheckResult, base: Base) -> frozenset[str]:
    """Return the files that cannot be read and hold something else than at the base."""
    return frozenset(
        path
        for path in unreadable_paths(now)
        if path in base.digests and base.digests[path] != _digest(path)
    )


def _moved(path: str, root: Path, folder: str) -> str:
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    if inside.startswith(".."):
        raise UsageError(
            f"--base: {path} is not in the repository {root}",
            hint="run it in the repository that holds the manifests",
        )
    return str(Path(folder) / inside)


@dataclass(frozen=True, slots=True)
class _Names:
    """How the files of a base are called in the working tree."""

    folder: str
    root: Path
    typed: Mapping[str, str]
    """Path of the base -> path as typed."""

    def path(self, path: str) -> str:
        """Return the path of a file as it is now."""
        for moved, typed in self.typed.items():
            if path == moved:
                return typed
            if path.startswith(f"{moved}/"):
                rest = path.removeprefix(f"{moved}/")
                return rest if typed == "." else os.path.join(typed, rest)  # noqa: PTH118  # as typed
        if path.startswith(f"{self.folder}/"):
            return os.path.relpath(self.root / path.removeprefix(f"{self.folder}/"))
        return path

    def text(self, text: str) -> str:
        """Return a message with the paths as they are now."""
        pattern = re.escape(self.folder) + r"(?:/[^\s:'\",;()]+)?"
        return re.sub(pattern, lambda match: self.path(match.group()), text)

    def place(self, place: Place) -> Place:
        """Return a place with its path as it is now."""
        return replace(place, path=self.path(place.path))

    def finding(self, one: GateFinding) -> GateFinding:
        """Return a finding that speaks of the files as they are now."""
        return replace(
            one,
            message=self.text(one.message),
            remedy=self.text(one.remedy),
            place=self.place(one.place),
            deployed_in=None if one.deployed_in is None else self.path(one.deployed_in),
            shared_by=tuple((self.path(path), name) for path, name in one.shared_by),
            related=tuple(replace(other, place=self.place(other.place)) for other in one.related),
        )

    def result(self, found: CheckResult) -> CheckResult:
        """Return a result that speaks of the files as they are now."""
        return replace(
            found,
            checked=tuple(
                replace(one, path=self.path(one.path), place=self.place(one.place))
                for one in found.checked
            ),
            findings=tuple(map(self.finding, found.findings)),
            suppressed=tuple(map(self.finding, found.suppressed)),
            others=tuple(
                replace(one, path=self.path(one.path), place=self.place(one.place))
                for one in found.others
            ),
        )


def _git(
    arguments: Sequence[str],
    revision: str,
    *,
    stdin: bytes = b"",
    stdout: BinaryIO | None = None,
) -> bytes:
    try:
        done = subprocess.run(
            ["git", *arguments],
            input=stdin,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            check=False,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"--base {revision}: git cannot be run", hint="install git, or leave --base out"
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no such revision"]
        why = next((line for line in said if line.startswith("fatal: ")), said[-1])
        why = why.removeprefix("fatal: ")
        if "not a git repository" in why:
            raise UsageError(
                f"--base {revision}: the project is in no git repository",
                hint="--base compares with a commit of the repository that holds placer.yaml; "
                "leave it out where there is none",
            )
        raise UsageError(
            f"--base {revision}: {why}",
            hint=f"git config --global --add safe.directory {why.split(chr(39))[1]}"
            if "dubious ownership" in why and why.count("'") > 1
            else "name a commit, branch or tag of this repository; a shallow clone has few: "
            "fetch it first",
        )
    return done.stdout or b""
