"""``docs/network.md``: its figures, its keys and what it says of the catalogue are true."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache

import numpy as np

from placer.api.paths import DEFAULT_NETWORK, FASTEST_NETWORK, POSSIBLE_NETWORKS
from placer.core.doubts import MAX_LINK_LOAD, MAX_REGULAR_LINK_LOAD
from placer.core.environment import NetworkPath
from placer.core.network.framing import REQUEST_HEAD_BYTES, RESPONSE_HEAD_BYTES
from placer.core.network.wire import (
    INITIAL_WINDOW_SEGMENTS,
    MAX_WINDOW_SEGMENTS,
    MSS_BYTES,
    PACKET_OVERHEAD_BYTES,
)
from placer.core.transfer import known_percentile, request_s, weaknesses
from placer.core.units import format_percentile
from placer.files import catalogue
from placer.files.positions import parse_yaml
from placer.files.specs import NetworkSpec
from placer.files.validating import validate
from tests import pages

PAGE = pages.read("network.md")
WORDS = " ".join(PAGE.split())
MEASURED = pages.ROOT / "tests" / "data" / "netem_lossfree.csv"
NETWORKS = catalogue.list_names(catalogue.Kind.NETWORKS)
HEAD = "| connection | cells | model: median | 9 in 10 | worst | usual estimate: median | 9 in 10 |"


@cache
def errors() -> dict[str, np.ndarray]:
    """Return |model / measured - 1| and that of the usual estimate, for each state; (cells, 2)."""
    found: dict[str, list[tuple[float, float]]] = {"warm": [], "idle": [], "new": []}
    lines = [line for line in MEASURED.read_text().splitlines() if not line.startswith("#")]
    plain = NetworkPath("measured", "", is_encrypted=False)
    for row in csv.DictReader(lines):
        rtt_s, measured_s = float(row["rtt_ms"]) / 1e3, float(row["total_ms"]) / 1e3
        rate = float(row["rate_mbit_per_s"]) * 1e6 / 8
        up, down = int(row["request_bytes"]), int(row["answer_bytes"])
        model_s = request_s(
            replace(plain, connection=row["connection"]),
            up_bytes=up,
            down_bytes=down,
            rtt_s=np.array([rtt_s]),
            uplink_bytes_per_s=rate,
            downlink_bytes_per_s=rate,
        ).item()
        usual_s = rtt_s + (up + down) / rate
        found[row["connection"]].append((model_s / measured_s - 1, usual_s / measured_s - 1))
    signed = {state: np.array(values) for state, values in found.items()}
    return signed | {"all": np.concatenate(list(signed.values()))}


def row(state: str) -> str:
    found = np.abs(errors()[state])
    median, nine = np.median(found, axis=0), np.quantile(found, 0.9, axis=0)
    figures = (median[0], nine[0], found[:, 0].max(), median[1], nine[1])
    told = " | ".join(f"{100 * figure:.1f} %" for figure in figures)
    return f"| {state} | {len(found)} | {told} |"


def test_tells_how_far_the_model_is_from_measured_requests() -> None:
    wanted = [row(state) for state in errors()]
    assert pages.table(PAGE, HEAD) == wanted, "docs/network.md needs:\n" + "\n".join(wanted)


def test_tells_how_far_the_model_is_off_in_each_direction() -> None:
    ours = errors()["all"][:, 0]
    below, above = f"{-100 * ours.min():.1f} %", f"{100 * ours.max():.1f} %"
    assert f"the model is {below} below a measured time and {above} above one" in WORDS


def test_tells_the_constants_of_the_model() -> None:
    for words in (
        f"({REQUEST_HEAD_BYTES} B up, {RESPONSE_HEAD_BYTES} B down)",
        f"{PACKET_OVERHEAD_BYTES} B of headers for each packet of {MSS_BYTES:,} B",
        f"begins with {INITIAL_WINDOW_SEGMENTS} packets",
        f"{MAX_WINDOW_SEGMENTS:,} packets",
        f"more than {100 * MAX_LINK_LOAD:.0f} % of the time with irregular requests",
        f"more than {100 * MAX_REGULAR_LINK_LOAD:.0f} % at its slow end",
    ):
        assert words in WORDS, words


def test_tells_which_networks_of_the_catalogue_can_prove_a_target() -> None:
    assert f"Of the {len(NETWORKS)} networks of the catalogue" in PAGE
    wanted = []
    for percentile in (0.5, 0.95, 0.99):
        able = [n for n in NETWORKS if not weaknesses(catalogue.load_network(n), percentile)]
        names = ", ".join(f"`{name}`" for name in able) or "none"
        wanted.append(f"| {format_percentile(percentile)} | {names} |")
    assert pages.table(PAGE, "| up to | networks |") == wanted, "\n".join(wanted)


def test_a_thousand_samples_are_what_p99_takes() -> None:
    path = NetworkPath("site", "", rtt_samples_s=(0.01,) * 1000)
    assert known_percentile(path) >= 0.99 - 1e-12
    assert known_percentile(replace(path, rtt_samples_s=path.rtt_samples_s[1:])) < 0.99


def test_names_the_assumed_network_and_what_it_could_be() -> None:
    assert f"placer assumes `{DEFAULT_NETWORK}`" in PAGE
    assert f"on `{FASTEST_NETWORK}`, the fastest network of the catalogue" in WORDS
    assert ", ".join(f"`{name}`" for name in POSSIBLE_NETWORKS) in WORDS


def test_lists_every_key_of_a_network_file_with_a_value_that_it_takes() -> None:
    cells = [line.split(" | ") for line in pages.table(PAGE, "| Key | Written as | Meaning |")]
    stated = {line[0].strip("| `"): line[1] for line in cells}
    wanted = {field.alias or name for name, field in NetworkSpec.model_fields.items()}
    assert set(stated) == wanted
    text = "".join(
        f"{key}: {value.strip('`')}\n" for key, value in stated.items() if key != "rtt_samples"
    )
    spec = validate(NetworkSpec, parse_yaml(text, path="site.yaml"))
    assert spec.model_fields_set == set(NetworkSpec.model_fields) - {"rtt_samples"}
    samples = f"name: site\nrtt_samples: {stated['rtt_samples'].strip('`')}\n"
    assert validate(NetworkSpec, parse_yaml(samples, path="site.yaml")).rtt_samples
