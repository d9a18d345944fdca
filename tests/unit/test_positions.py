"""YAML with positions: what is wrong is told with the place, the value and what to do."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from placer.core.errors import InputError, PlacerError, UsageError
from placer.files.positions import MAX_BYTES, parse_yaml, read_yaml
from placer.files.specs import CloudSpec, DeviceSpec, NetworkSpec, RegionSpec
from placer.files.validating import validate

NETWORK = "name: n\nrtt: {p50: 10 ms, p99: 20 ms}\nuplink: 8 Mbit/s\ndownlink: 80 Mbit/s\n"
DEVICE = "name: d\nclass: cpu\n"
COMPUTE = "compute:\n  per_operator: 5 us\n  level: E6\n  runtime: r\n  source: s\n"
CLOUD = "name: c\nprovider: p\ninstance: i\nclass: gpu\nep: cuda\noffers:\n  - region: r\n"
REGION = "name: p-r\nprovider: p\nregion: r\njurisdiction: EU\ncountry: IE\n"
SPECS: dict[str, type[BaseModel]] = {
    "network": NetworkSpec,
    "device": DeviceSpec,
    "cloud": CloudSpec,
    "region": RegionSpec,
}
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{now}: &{now} [{', '.join(['*' + before] * 10)}]\n"
    for before, now in zip("abcde", "bcdef")  # noqa: B905  # one is longer
)


def read(text: str | bytes, kind: str | None) -> None:
    document = parse_yaml(text, path="x.yaml")
    if kind is not None:
        validate(SPECS[kind], document)


def failure(text: str | bytes, kind: str | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(text, kind)
    return caught.value


def test_scalars_follow_the_core_schema_so_that_no_is_a_word() -> None:
    text = "a: no\nb: 12:30\nc: 2026-08-21\nd: true\ne: -7\nf: 1.5e3\ng: ~\nh: 'true'\ni: 0x1f\nj:"
    assert parse_yaml(text, path="x").data == {
        **{"a": "no", "b": "12:30", "c": "2026-08-21", "d": True, "e": -7, "f": 1500.0},
        **{"g": None, "h": "true", "i": "0x1f", "j": None},
    }


def test_keys_are_words_whatever_they_look_like() -> None:
    assert parse_yaml("no: 1\n1: 2\n", path="x").data == {"no": 1, "1": 2}


def test_every_value_knows_where_it_stands() -> None:
    document = parse_yaml("a:\n  - b: 1\n    c: 2\nd: {e: 3}\n", path="x.yaml")
    assert document.where(("a", 0, "c")) == "x.yaml:3:5"
    assert document.where(("d", "e")) == "x.yaml:4:5"
    assert document.where(("d", "e", "not there", 3)) == "x.yaml:4:5"
    assert document.where(("not there",)) == "x.yaml:1:1"


def test_a_byte_order_mark_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^x:1:1: begins with a byte order mark"):
        parse_yaml("\ufeffa: 1\n".encode(), path="x")


def test_anchors_are_expanded() -> None:
    document = parse_yaml(b"a: &x {b: 1}\nc: *x\n", path="x")
    assert document.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.positions["a",] == (1, 1)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", "the key 'a' is given twice (first in line 1)"),
        ("a:\n\tb: 1\n", "2:1", "a tab in the indentation"),
        ("a: 1\n---\nb: 2\n", "2:1", "a second document"),
        ("", "1:1", "empty"),
        ("# only a comment\n", "1:1", "empty"),
        ("- a\n", "1:1", "not a mapping"),
        ("just words\n", "1:1", "not a mapping"),
        ("a: [1\n", "2:1", "not YAML: while parsing a flow sequence"),
        ("a: b: c\n", "1:5", "not YAML"),
        ("a: *nowhere\n", "1:4", "unknown alias '*nowhere'"),
        ("a: !!python/object:os.system x\n", "1:4", "is not supported"),
        ("? [1]\n: 2\n", "1:3", "a key must be a word"),
        ("a: b\n\x00", "2:1", "the character U+0000 is not allowed"),
        (b"a: 1\nb: \xff\n", "2:4", "not UTF-8 text"),
        ("a: 1\n".encode("utf-16"), "1:1", "not UTF-8 text"),
        ("a: &x [*x]\n", "1:4", "aliases expand to too much"),
        (LAUGHS, "1:", "aliases expand to too much"),
        ("a: " + "[" * 400_000 + "]" * 400_000, "1:", "nested deeper than 40 levels"),
        ("a: " + "x" * MAX_BYTES, "1:1", "larger than 1 MB"),
    ],
)  # fmt: skip
def test_refuses_what_is_no_plain_yaml_mapping(text: str | bytes, where: str, message: str) -> None:
    error = failure(text)
    assert error.message.startswith(f"x.yaml:{where}")
    assert message in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("kind", "text", "where", "message", "hint"),
    [
        (
            "network",
            NETWORK + "uplnik: 1 kbit/s\n",
            "5:1",
            "unknown key 'uplnik' (did you mean 'uplink'?)",
            "keys: name",
        ),
        ("network", "rtt: {p50: 1 ms}\n", "1:1", "the key 'name' is missing", "add `name:`"),
        (
            "network",
            NETWORK.replace("8 Mbit/s\n", "8\n", 1),
            "3:1",
            "uplink '8' has no unit",
            "10Mbit/s",
        ),
        ("network", NETWORK.replace("10 ms", "10"), "2:7", "rtt '10' has no unit", "20ms"),
        (
            "network",
            NETWORK.replace("8 Mbit/s\n", "0 Mbit/s\n", 1),
            "3:1",
            "must be greater than zero",
            "write",
        ),
        ("network", NETWORK.replace("10 ms", "30 ms"), "2:1", "rtt p99 is below p50", "higher"),
        ("network", NETWORK.replace("p50", "p99.0"), "2:1", "rtt states p99 twice", "keep one"),
        ("network", NETWORK.replace("p50", "median"), "2:1", "'median' is not a percentile", "p99"),
        (
            "network",
            NETWORK + "rtt_samples: [1 ms]\n",
            "5:1",
            "both rtt and rtt_samples",
            "keep one",
        ),
        ("network", "name: n\nrtt_samples: [1]\n", "2:1", "rtt_samples '1' has no unit", "20ms"),
        ("network", "name: n\nrtt_samples: []\n", "2:1", "has no samples", "9.1 ms"),
        ("network", "name: n\nrtt_samples: {values: [1]}\n", "2:1", "is not a list", "unit: ms"),
        (
            "network",
            NETWORK + "uplink_p5: 9 Mbit/s\n",
            "5:1",
            "uplink_p5 is above uplink",
            "slow end",
        ),
        ("network", "name: n\nuplink_p5: 9 Mbit/s\n", "2:1", "stated without uplink", "add"),
        ("network", NETWORK + "loss: 50\n", "5:1", "loss '50' is not a ratio", "0.5%"),
        ("network", NETWORK + "loss: [1 %]\n", "5:1", "loss is not a figure with a unit", None),
        ("network", NETWORK + "tls: no\n", "5:1", "tls 'no' is neither true nor false", None),
        ("network", NETWORK + "connection: wrm\n", "5:1", "(did you mean 'warm'?)", None),
        (
            "network",
            NETWORK + "basis: transferred\n",
            "5:1",
            "'measured', 'catalogue' or 'assumed'",
            None,
        ),
        (
            "network",
            NETWORK + "estimated: {loss: guess}\n",
            "1:1",
            "estimated names 'loss'",
            "figure",
        ),
        (
            "network",
            NETWORK + "estimated: {rtt.p95: guess}\n",
            "1:1",
            "estimated names 'rtt.p95'",
            "figure",
        ),
        (
            "device",
            DEVICE + "cores: 2.5\n",
            "3:1",
            "cores '2.5': input should be a valid integer",
            None,
        ),
        ("device", DEVICE + "cores: 0\n", "3:1", "cores '0': input should be greater than 0", None),
        ("device", DEVICE + "memory: 8 GBit\n", "3:1", "unknown unit 'GBit'", "units:"),
        (
            "device",
            DEVICE + "execution_providers: [cpu, cdua]\n",
            "3:28",
            "'cdua' (did you mean 'cuda'?)",
            "known",
        ),
        (
            "device",
            DEVICE + "here: true\n" + COMPUTE + "  flops: 1 GFLOP/s\n",
            "4:1",
            "compute is stated for this machine",
            "drop",
        ),
        ("device", DEVICE + COMPUTE, "3:1", "neither flops nor bandwidth", "state one"),
        (
            "device",
            DEVICE + COMPUTE + "  bandwith: 1 GB/s\n",
            "8:3",
            "(did you mean 'bandwidth'?)",
            "keys: flops",
        ),
        ("device", DEVICE.replace("cpu", "cpuu"), "2:1", "(did you mean 'cpu'?)", None),
        ("device", "name: a/b\nclass: cpu\n", "1:1", "name 'a/b'", None),
        ("cloud", CLOUD + "    prise: 1 USD/h\n", "8:5", "(did you mean 'price'?)", "keys: region"),
        ("cloud", CLOUD + "    price: 1 USD\n", "8:5", "unknown unit 'USD'", "USD/h"),
        ("cloud", CLOUD + "    jurisdiction: Europe\n", "8:5", "jurisdiction 'Europe'", None),
        (
            "cloud",
            CLOUD + "  - region: r\n",
            "6:1",
            "offers has two for the region r",
            "one for each",
        ),
        ("cloud", CLOUD.replace("\n  - region: r", " []"), "6:1", "offers is empty", None),
        ("cloud", CLOUD.replace("cuda", "tpu"), "5:1", "unknown execution provider 'tpu'", "known"),
        ("region", REGION + "rtt_p95_to_ms: {x: 0}\n", "6:17", "greater than 0", None),
    ],
)
def test_tells_the_place_the_value_and_what_is_allowed(
    kind: str, text: str, where: str, message: str, hint: str | None
) -> None:
    error = failure(text, kind)
    assert error.message.startswith(f"x.yaml:{where}: ")
    assert message in error.message
    assert hint is None or hint in (error.hint or "")


def test_the_first_of_several_mistakes_is_told_with_their_number() -> None:
    error = failure("name: d\nclas: cpu\ncores: 0\n", "device")
    told = "x.yaml:2:1: unknown key 'clas' (did you mean 'class'?) (and 1 more)"
    assert error.message.startswith(told)


def test_a_network_file_gives_its_path() -> None:
    text = NETWORK + "loss: 0.5 %\ndownlink_p5: 8 Mbit/s\ntls: false\ndata_price: 30 USD/GB\n"
    path = validate(NetworkSpec, parse_yaml(text, path="x")).to_core()
    assert path.rtt_quantiles_s == ((0.5, 0.01), (0.99, 0.02))
    assert (path.uplink_bytes_per_s, path.downlink_p5_bytes_per_s) == (1e6, 1e6)
    assert (path.loss_ratio, path.is_encrypted) == (0.005, False)
    assert math.isclose(path.data_usd_per_byte or 0, 30e-9)
    assert (path.title, path.basis) == ("n", "assumed")


@pytest.mark.parametrize("samples", ["[9 ms, 0.011 s]", "{unit: ms, values: [9, 11.0]}"])
def test_samples_of_the_rtt_are_taken_with_either_spelling(samples: str) -> None:
    document = parse_yaml(f"name: n\nrtt_samples: {samples}\n", path="x")
    assert validate(NetworkSpec, document).to_core().rtt_samples_s == (0.009, 0.011)


def test_a_device_file_of_this_machine_has_its_price_and_no_compute() -> None:
    text = DEVICE + "here: true\nmemory: 8 GiB\nprice: 249 USD\npower: 15 W\npeak_fp32: 1 TFLOP/s\n"
    device = validate(DeviceSpec, parse_yaml(text, path="x")).to_core()
    assert (device.is_this_machine, device.memory_bytes) == (True, 8 * 2**30)
    assert (device.price_usd, device.power_w, device.peak_fp32_flops_per_s) == (249, 15, 1e12)
    assert device.send_w is None
    text += "send_power: 4 W\nreceive_power: 3.5 W\nidle_power: 900 mW\n"
    device = validate(DeviceSpec, parse_yaml(text, path="x")).to_core()
    assert (device.send_w, device.receive_w, device.idle_w) == (4, 3.5, 0.9)
    assert device.roofline is None


def test_an_accelerator_and_its_compute_reach_the_offers() -> None:
    text = (
        CLOUD + "    price: 1 USD/h\n    egress: 0 USD/GB\naccelerator: {name: T4, count: 2}\n"
        "tls: false\n" + COMPUTE + "  bandwidth: 1 GB/s\n"
    )
    (offer,) = validate(CloudSpec, parse_yaml(text, path="x")).to_core()
    assert (offer.usd_per_hour, offer.egress_usd_per_byte) == (1, 0)
    assert (offer.accelerator, offer.accelerators, offer.is_encrypted) == ("T4", 2, False)
    assert offer.roofline is not None
    assert (offer.roofline.bytes_per_s, offer.roofline.flops_per_s) == (1e9, None)


def test_a_missing_file_and_a_folder_are_missing_inputs(tmp_path: Path) -> None:
    for path in (tmp_path / "no.yaml", tmp_path):
        with pytest.raises(InputError, match=str(path)) as raised:
            read_yaml(str(path))
        assert raised.value.hint
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml("a\0b.yaml")


def test_a_file_is_read_with_its_path_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    assert read_yaml(str(path)).data == {"a": 1}
    path.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match=r"d.yaml:1:1: larger"):
        read_yaml(str(path))


@given(st.one_of(st.text(), st.binary(), st.from_regex(r"(([a-c]:|- |&a|\*a|[\[{,}\]]|\n)\s?)*")))
def test_any_text_gives_data_or_an_error_on_purpose(text: str | bytes) -> None:
    for kind in SPECS:
        with contextlib.suppress(PlacerError):
            read(text, kind)
