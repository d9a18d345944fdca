"""Every row of the catalogue: it loads, says its source, and states nothing it cannot know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from placer.core.compute import Level
from placer.core.environment import ACCESS, ENDPOINT, Basis, ChipClass
from placer.core.errors import InputError, UsageError
from placer.core.privacy import EU_MEMBERS, allowed_in
from placer.core.runtime import EXECUTION_PROVIDERS
from placer.core.workload import Workload
from placer.files import catalogue
from placer.files.catalogue import Kind
from placer.files.positions import parse_yaml
from placer.files.specs import CloudSpec, DeviceSpec, NetworkSpec, RegionSpec
from placer.files.validating import validate

ROWS = [(kind, name) for kind in Kind for name in catalogue.list_names(kind)]
MAY_BE_ZERO = {"loss", "data_price", "egress", "per_operator"}
"""A path may lose nothing, a tariff may be flat, an operator may cost less than can be seen."""
NUMBER = re.compile(r"[-+]?\d[\d.]*")
UNITS = re.compile(
    r"(USD(/h|/GB|/month)?|[kMG]?bit/s|[GT](FLOP|OP)/s|[MGT]B/s|[kMG]?i?B|m?s|us|W|%|/(s|min|h))\Z"
)
COUNTS = {"cores", "vcpus", "count", "devices", "hours_per_day", "days_per_week"}


def ids(row: tuple[Kind, str]) -> str:
    return "/".join(row)


@pytest.fixture(params=ROWS, ids=ids)
def entry(request: pytest.FixtureRequest) -> catalogue.Entry:
    return catalogue.read_entry(*request.param)


def figures(data: Mapping[str, Any], key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key, text) of every value that is a number with or without a unit."""
    for name, value in data.items():
        if name in ("estimated", "name", "instance", "as_of"):
            continue
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, Mapping):
                yield from figures(part, name)
            elif NUMBER.match(str(part)):
                yield (key if name.startswith("p") and key == "rtt" else name), str(part)


def test_is_named_like_its_file(entry: catalogue.Entry) -> None:
    assert (entry.kind, entry.spec.name) in ROWS


def test_reaches_the_core(entry: catalogue.Entry) -> None:
    core = entry.spec.to_core()
    if isinstance(core, Workload):
        assert core.targets or core.throughput_hz or core.rate_hz
        return
    for one in core if isinstance(core, tuple) else (core,):
        assert one.source


def test_says_its_basis_and_source(entry: catalogue.Entry) -> None:
    assert Basis(entry.spec.basis) is Basis.CATALOGUE
    assert entry.spec.source
    if isinstance(entry.spec, CloudSpec):
        assert all(offer.source and offer.as_of for offer in entry.spec.offers)
    compute = getattr(entry.spec, "compute", None)
    assert compute is None or (compute.source and compute.level in set(Level))


def test_every_figure_has_a_unit_and_is_above_zero(entry: catalogue.Entry) -> None:
    for key, text in figures(entry.data):
        number = NUMBER.match(text)
        assert number is not None
        if key in ("source", "note", "title", "runtime"):
            continue
        assert float(number.group()) > 0 or key in MAY_BE_ZERO, (key, text)
        if key not in COUNTS and entry.kind is not Kind.REGIONS:
            assert UNITS.search(text), (key, text)


def test_a_zero_that_nobody_published_is_marked_as_estimated(entry: catalogue.Entry) -> None:
    for key, text in figures(entry.data):
        if key in ("loss", "data_price") and text.startswith("0 "):
            assert key in entry.spec.estimated


def test_leaves_nothing_to_be_done(entry: catalogue.Entry) -> None:
    assert "TODO" not in entry.text


def test_regions_are_where_their_country_is() -> None:
    for name in catalogue.list_names(Kind.REGIONS):
        spec = catalogue.read_entry(Kind.REGIONS, name).spec
        assert isinstance(spec, RegionSpec)
        expected = "EU" if spec.country in EU_MEMBERS else {"GB": "UK"}.get(spec.country)
        assert spec.jurisdiction == (expected or spec.country)
        assert name == f"{spec.provider}-{spec.region}"
        for other in spec.rtt_p95_to_ms:
            assert catalogue.load_region(spec.provider, other)


REGION_NAMES = catalogue.list_names(Kind.REGIONS)


@pytest.mark.parametrize("name", REGION_NAMES)
def test_a_region_has_country_law_source_and_date(name: str) -> None:
    spec = catalogue.read_entry(Kind.REGIONS, name).spec
    assert isinstance(spec, RegionSpec)
    assert spec.as_of
    assert spec.source
    region = spec.to_core()
    assert region.country
    assert region.jurisdiction
    assert allowed_in(region.name, region.jurisdiction, (region.country,), region.country)
    assert allowed_in(region.name, region.jurisdiction, (region.jurisdiction,), region.country)
    assert bool(spec.rtt_p95_to_ms) == bool(spec.rtt_source)
    if spec.rtt_source:
        assert re.search(r"\d{4}-\d{2}-\d{2}.*CC BY 4\.0", spec.rtt_source)


@pytest.mark.parametrize("name", REGION_NAMES)
def test_a_region_stands_beside_one_with_round_trips_in_its_country(name: str) -> None:
    region = catalogue.all_regions()[name]
    if region.near is None:
        return
    near = catalogue.all_regions()[region.near]
    assert not region.rtt_p95_s
    assert near.rtt_p95_s
    assert (near.country, near.provider != region.provider) == (region.country, True)
    assert region.near_s > 0
    assert region.near_source


def test_round_trips_are_alike_in_both_directions() -> None:
    regions = catalogue.all_regions()
    for region in regions.values():
        for other, rtt_s in region.rtt_p95_s:
            back_s = dict(regions[f"{region.provider}-{other}"].rtt_p95_s)[region.name]
            assert abs(rtt_s - back_s) < 0.0101, (region.key, other)


def test_networks_say_where_they_were_measured_to_in_words_that_are_known() -> None:
    for name in catalogue.list_names(Kind.NETWORKS):
        assert catalogue.load_network(name).measured_to in (None, ACCESS, ENDPOINT)
    assert catalogue.load_network("fiber_100").measured_to == ACCESS
    assert catalogue.load_network("lte_us").measured_to == ENDPOINT  # 500 km and more are in it


def test_a_network_measured_to_a_region_that_is_not_known_is_told(tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    file.write_text("name: n\nmeasured_to: aws-eu-centrl-1\n")
    with pytest.raises(UsageError, match=r"n\.yaml:2:1: unknown measured_to") as error:
        catalogue.load_network(str(file))
    assert "aws-eu-central-1" in error.value.message


def test_every_offer_with_a_region_has_its_jurisdiction() -> None:
    for offer in catalogue.all_offers():
        if offer.region is not None:
            region = catalogue.load_region(offer.provider, offer.region)
            assert region is not None
            assert offer.jurisdiction == region.jurisdiction


def test_offers_name_an_execution_provider_of_onnxruntime_or_none() -> None:
    for offer in catalogue.all_offers():
        assert offer.ep in {*EXECUTION_PROVIDERS, "none"}
        assert (offer.ep == "cpu") == (offer.chip_class is ChipClass.CPU)
        assert (offer.accelerator is None) == (offer.ep == "cpu")


def test_no_two_kinds_share_a_name() -> None:
    names = [name for _, name in ROWS]
    assert len(names) == len(set(names))


def test_default_offers_are_the_cheapest_of_each_chip_that_can_be_judged() -> None:
    chosen = catalogue.default_offers()
    assert [offer.chip_class for offer in chosen] == [ChipClass.CPU, ChipClass.GPU]
    for best in chosen:
        assert best.region
        assert best.egress_usd_per_byte is not None
        rivals = [
            offer.usd_per_hour
            for offer in catalogue.all_offers()
            if offer.chip_class is best.chip_class and offer.region and offer.roofline
        ]
        assert best.usd_per_hour == min(price for price in rivals if price is not None)


def test_a_cloud_name_means_all_its_regions_or_the_one_behind_the_at() -> None:
    both = catalogue.load_cloud("aws-g6.xlarge")
    assert [offer.region for offer in both] == ["us-east-1", "eu-north-1"]
    (one,) = catalogue.load_cloud("aws-g6.xlarge@eu-north-1")
    assert (one.region, one.jurisdiction) == ("eu-north-1", "EU")
    assert asdict(one) == asdict(both[1])


@pytest.mark.parametrize(
    ("load", "text", "message"),
    [
        (catalogue.load_device, "rpi6", "unknown device 'rpi6' (did you mean 'rpi5'?)"),
        (catalogue.load_network, "fibre_100", "(did you mean 'fiber_100'?)"),
        (catalogue.load_cloud, "aws-g4dn", "(did you mean 'aws-g4dn.xlarge'?)"),
        (catalogue.load_cloud, "aws-g6.xlarge@eu-north-2", "(did you mean 'eu-north-1'?)"),
        (catalogue.load_cloud, "aws-g6.xlarge@", "has no offer in region ''"),
        (catalogue.load_cloud, "aws-p5.48xlarge@us-east-1", "has no offer in region"),
        (catalogue.find_entry, "rpi", "the catalogue has no 'rpi'"),
    ],
)  # fmt: skip
def test_an_unknown_name_gets_the_nearest_one(load: Any, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        load(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "load", [catalogue.load_device, catalogue.load_network, catalogue.load_cloud]
)
@pytest.mark.parametrize("text", ["no.yaml", "./no", "a/b@c.yaml"])
def test_a_path_that_is_not_there_is_a_missing_input(load: Any, text: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        load(text)


CLOUD = (
    "name: mine\nprovider: aws\ninstance: i\nclass: cpu\nep: cpu\n"
    "offers:\n  - region: eu-west-2\n  - region: cellar\n    jurisdiction: CH\n"
)


def test_a_file_gets_jurisdictions_of_known_regions_and_itself_as_source(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(CLOUD, encoding="utf-8")
    london, cellar = catalogue.load_cloud(str(path))
    assert (london.jurisdiction, cellar.jurisdiction) == ("UK", "CH")
    assert london.source == str(path)
    assert catalogue.load_cloud(f"{path}@cellar") == (cellar,)


def test_a_jurisdiction_that_is_not_that_of_the_region_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        CLOUD.replace("eu-west-2\n", "eu-west-2\n    jurisdiction: EU\n"), encoding="utf-8"
    )
    with pytest.raises(UsageError, match=r"mine.yaml:8:5: the jurisdiction of aws eu-west-2 is UK"):
        catalogue.load_cloud(str(path))
    path.write_text(
        CLOUD.replace("eu-west-2\n", "eu-west-2\n    jurisdiction: GB\n"), encoding="utf-8"
    )
    assert catalogue.load_cloud(str(path))[0].jurisdiction == "GB"


def test_files_of_devices_and_networks_are_read_by_their_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    for name, kind in (("rpi5", Kind.DEVICES), ("fiber_100", Kind.NETWORKS)):
        path.write_text(catalogue.read_entry(kind, name).text, encoding="utf-8")
        load: Any = {Kind.DEVICES: catalogue.load_device, Kind.NETWORKS: catalogue.load_network}
        assert load[kind](str(path)) == load[kind](name)


def test_the_examples_of_the_documentation_are_files_that_load() -> None:
    text = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    device, compute, network, cloud = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert validate(DeviceSpec, parse_yaml(device, path="x")).here
    elsewhere = f"{device.replace('here: true', 'here: false')}{compute}"
    assert validate(DeviceSpec, parse_yaml(elsewhere, path="x")).to_core().roofline
    assert len(validate(NetworkSpec, parse_yaml(network, path="x")).rtt) == 3
    assert validate(CloudSpec, parse_yaml(cloud, path="x")).offers[0].jurisdiction == "EU"
