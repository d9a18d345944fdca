"""The folder of an exported split: what is refused, and which place an error is told of."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from placer.core.errors import MeasuringError, PlacerError, UsageError
from placer.core.split import Part, SplitContract
from placer.files.split_contract import write_contract
from placer.files.split_folder import replacing

HEAD = ("head.onnx", hashlib.sha256(b"head").hexdigest(), 4)
CONTRACT = SplitContract("m.onnx", "0" * 64, (), (), (Part(0, (HEAD,), (), (), ()),), ())


def failing(folder: Path, error: OSError) -> PlacerError:
    """Write a split in the midst of which the system fails; return what is told."""
    with pytest.raises(PlacerError) as raised, replacing(str(folder)):
        raise error
    assert not folder.exists()
    assert list(folder.parent.iterdir()) == []
    return raised.value


def test_a_file_elsewhere_that_fails_is_told_by_its_own_name(tmp_path: Path) -> None:
    gone = "/models/model.onnx.data"
    told = failing(tmp_path / "out", FileNotFoundError(errno.ENOENT, "No such file", gone))
    assert isinstance(told, MeasuringError)
    assert told.message == f"{gone}: no such file"
    assert told.hint is not None


def test_a_full_disk_without_a_name_is_told_of_both_places(tmp_path: Path) -> None:
    told = failing(tmp_path / "out", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert isinstance(told, MeasuringError)
    where = f"--to {tmp_path / 'out'}, or the temporary files in {tempfile.gettempdir()}"
    assert told.message == f"{where}: the disk is full"


def test_a_file_of_the_split_that_fails_is_told_of_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised, replacing(str(tmp_path / "out")) as place:
        (place / ("n" * 300)).write_text("")
    assert raised.value.message == f"--to {tmp_path / 'out'}: cannot be written: file name too long"


def written(folder: Path) -> Mapping[str, Any]:
    """Write a split of one file and its contract."""
    with replacing(str(folder)) as place:
        (place / "head.onnx").write_bytes(b"head")
        write_contract(CONTRACT, str(place / "contract.json"))
    found: dict[str, Any] = json.loads((folder / "contract.json").read_text())
    return found


def test_a_contract_that_nobody_changed_is_replaced(tmp_path: Path) -> None:
    assert written(tmp_path / "out") == written(tmp_path / "out")


def test_what_a_killed_program_left_is_removed_an_hour_later(tmp_path: Path) -> None:
    with replacing(str(tmp_path / "out")) as place:
        shutil.copytree(place, left := place.with_name(f"{place.name[:-20]}{'0' * 16}.tmp"))
        (left / "head.onnx").write_bytes(b"he")
    written(tmp_path / "out")
    assert left.is_dir()
    for path in (left, left / "head.onnx"):
        os.utime(path, (0, path.stat().st_mtime - 3700))
    written(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("key", ["model", "more", "sha256", ""])
def test_a_contract_that_was_edited_is_not_written_over(tmp_path: Path, key: str) -> None:
    path = tmp_path / "out" / "contract.json"
    more = {key: "mine"} if key else {}
    edited = json.dumps({**written(path.parent), **more}, indent=2 if key else 4) + "\n"
    path.write_text(edited)
    with pytest.raises(UsageError, match=r"'contract\.json' was changed since it was written"):
        written(path.parent)
    assert path.read_text() == edited
