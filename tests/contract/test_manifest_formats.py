"""What every format of manifests keeps: a row more in the registry is tested by being there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from placer.core.deployment import Deployed
from placer.manifests.format import Format, is_marked
from placer.manifests.formats import FORMATS
from placer.manifests.paths import SUFFIXES
from placer.manifests.reading import read_manifests

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "tests" / "manifests"
PAGE = (ROOT / "docs" / "manifests.md").read_text(encoding="utf-8")

every_format = pytest.mark.parametrize("format", FORMATS, ids=lambda one: one.id)


def files_of(format: Format) -> list[Path]:
    return sorted(
        path for path in (FIXTURES / format.id).rglob("*") if path.name.endswith(SUFFIXES)
    )


def test_ids_are_unique() -> None:
    assert len({one.id for one in FORMATS}) == len(FORMATS)


@every_format
def test_has_fixtures_of_its_own(format: Format) -> None:
    assert len(files_of(format)) >= 6


@every_format
def test_finds_its_mark_in_every_fixture(format: Format) -> None:
    without = [path.name for path in files_of(format) if not is_marked([format], path.read_bytes())]
    assert without == []


@every_format
def test_reads_what_no_other_format_claims(format: Format) -> None:
    formats = {one.format for one in read_manifests([str(FIXTURES / format.id)]).deployed}
    assert formats == {format.id}


@every_format
def test_has_a_section_in_the_documentation(format: Format) -> None:
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert format.name in headings
    anchors = [re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings]
    assert format.page == anchors[headings.index(format.name)]


@every_format
def test_a_pair_differs_only_in_the_declared_placement(format: Format) -> None:
    pairs = [
        (path, path.with_name(path.name.replace("-edge.", "-cloud.")))
        for path in files_of(format)
        if "-edge." in path.name
    ]
    assert pairs
    for edge, cloud in pairs:
        on_edge, in_cloud = (read_manifests([str(path)]).deployed for path in (edge, cloud))
        assert [_apart_from_place(one) for one in on_edge] == [
            _apart_from_place(one) for one in in_cloud
        ]
        assert [_place(one) for one in on_edge] != [_place(one) for one in in_cloud]


@every_format
def test_every_place_holds_what_it_says(format: Format) -> None:
    for path in files_of(format):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        for one in read_manifests([str(path)]).deployed:
            for stated in [one.where.node, one.where.group, *(m.uri for m in one.models)]:
                if stated is None or stated.place.path != str(path):
                    continue
                place = stated.place
                assert place.line == place.end_line
                source = lines[place.line - 1][place.column - 1 : place.end_column - 1]
                # an escaped text and one over several lines stand otherwise than they read, and
                # a name can be a part of what it stands for, or be that of the directory
                is_part = source.strip("\"'") in stated.value or not place.pointer
                is_else = "\\" in source or source in ("|", ">")
                assert stated.value in source or is_else or is_part


def _apart_from_place(one: Deployed) -> object:
    resources = one.resources
    return (
        one.id,
        [model.uri.value for model in one.models],
        [image.value for image in one.images],
        resources.memory_limit_bytes and resources.memory_limit_bytes.value,
    )


def _place(one: Deployed) -> object:
    where = one.where
    values = (where.node, where.group, where.instance_type, where.tier)
    return (
        [label.value for label in where.labels],
        [label.value for label in where.any_of],
        [value and value.value for value in values],
        [device.value for device in one.resources.accelerators],
    )
