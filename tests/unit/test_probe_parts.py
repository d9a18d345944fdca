"""What probing concludes from what it saw: rates, loss, round trips, the server's own time."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator
from scipy.stats import binomtest

from placer.core.errors import InputError, UsageError
from placer.core.network.link_rate import LinkRate, link_rate
from placer.core.network.losses import LossEvidence
from placer.core.network.wire import MSS_BYTES, PACKET_BYTES
from placer.core.printable import printable
from placer.core.probe import Calls, Probe, Rate, path_of, split_retried
from placer.files.specs import NetworkSpec
from placer.probing import iperf
from placer.probing.http import Answer, check_status, foreign
from placer.probing.server_time import Counted, between, of_headers, of_metrics, of_statistics
from placer.probing.targets import parse_target
from placer.probing.tensors import ModelInput, concrete
from placer.reports.network_probe import render_text, render_yaml
from placer.reports.network_probe_json import probe_schema, render_json

PROBE = Probe(
    "https://example.org",
    "https",
    "2026-01-01T00:00:00Z",
    rtt_samples_s=(0.010, 0.011, 0.012),
    calls=Calls("HEAD /", (0.02, 0.03)),
    uplink=Rate(LinkRate(1e6, 9e5, 30, 0.1, True), 5_000_000),
    downlink=Rate(reason="left out"),
    loss=LossEvidence(1000, 0),
    congestion_control="cubic",
)


@pytest.mark.parametrize(("packets", "lost"), [(100, 0), (1000, 3), (7, 7), (12_000, 120)])
def test_the_upper_end_of_loss_is_the_exact_binomial_one(packets: int, lost: int) -> None:
    bound = binomtest(lost, packets, alternative="less").proportion_ci(0.975, "exact").high
    assert LossEvidence(packets, lost).at_most_ratio == pytest.approx(bound, rel=1e-6)


def test_no_packets_tell_nothing_of_loss() -> None:
    assert LossEvidence().ratio is None
    assert LossEvidence().at_most_ratio is None


def _transfer(seconds: float, rate: float, rtt_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Slow start from 40 packets up to a rate, in payload bytes; times every 5 ms."""
    times = np.arange(0, seconds, 0.005)
    window = 40 * MSS_BYTES * 2 ** np.floor(times / rtt_s)
    return times, np.cumsum(np.minimum(window / rtt_s, rate)) * 0.005


def test_the_rate_is_that_of_the_full_link_with_headers() -> None:
    times, moved = _transfer(2.0, 2.5e6, 0.1)
    found = link_rate(times, moved, rtt_s=0.1, flow_rtt_s=np.where(times > 0.6, 0.15, 0.1))
    assert isinstance(found, LinkRate)
    assert found.median_bytes_per_s == pytest.approx(2.5e6 * PACKET_BYTES / MSS_BYTES, rel=0.01)


def test_a_link_without_a_queue_before_it_has_no_rate() -> None:
    times, moved = _transfer(2.0, 2.5e6, 0.1)
    found = link_rate(times, moved, rtt_s=0.1, flow_rtt_s=np.full(len(times), 0.101))
    assert isinstance(found, str)
    assert "may carry more" in found


@pytest.mark.parametrize("rtt_s", [0.01, 0.02, 0.1])
def test_a_transfer_of_two_seconds_has_the_windows_of_a_slow_end(rtt_s: float) -> None:
    times, moved = _transfer(2.04, 6e5, rtt_s)  # of the default probe, at 5 Mbit/s
    found = link_rate(times, moved, rtt_s=rtt_s)
    assert isinstance(found, LinkRate)
    assert found.windows >= 20
    assert found.p5_bytes_per_s is not None


@pytest.mark.parametrize("seconds", [0.01, 0.05])
def test_a_short_transfer_has_no_rate(seconds: float) -> None:
    times, moved = _transfer(seconds, 2.5e6, 0.1)
    assert isinstance(link_rate(times, moved, rtt_s=0.1), str)


def test_a_connect_that_took_a_second_more_is_a_lost_syn_and_no_round_trip() -> None:
    times_s = [0.02, 0.021, 1.03, 0.02, 3.04]
    assert split_retried(times_s, [None] * 5) == ((0.02, 0.021, 0.02), 3)
    assert split_retried(times_s, [0, 0, 1, 0, 2]) == ((0.02, 0.021, 0.02), 3)


def test_a_path_of_long_round_trips_loses_no_syn() -> None:
    assert split_retried([1.2, 1.3, 1.25], [None] * 3) == ((1.2, 1.3, 1.25), 0)


def test_the_network_file_is_what_network_files_are() -> None:
    told = yaml.safe_load(render_yaml(PROBE))
    path = NetworkSpec.model_validate(told).to_core()
    wanted = path_of(PROBE)
    assert path.rtt_samples_s == pytest.approx(wanted.rtt_samples_s, abs=1e-7)
    assert path.uplink_bytes_per_s == pytest.approx(1e6)
    assert path.uplink_p5_bytes_per_s == pytest.approx(9e5)
    assert path.downlink_bytes_per_s is None
    assert path.loss_ratio == 0
    assert path.loss_at_most_ratio == pytest.approx(3.68e-3, rel=0.01)
    assert path.is_encrypted
    assert path.measured_to == "endpoint"  # no way on to a region comes on top
    assert path.basis.value == "measured"


def test_losses_that_were_seen_may_come_in_bursts() -> None:
    from dataclasses import replace

    told = yaml.safe_load(render_yaml(replace(PROBE, loss=LossEvidence(1000, 5))))
    assert told["loss"] == "0.5%"
    assert told["loss_burst"] is None


def test_reports_say_what_is_supported_and_what_is_unknown() -> None:
    text = render_text(PROBE)
    assert "none seen of 1,000 packets" in text
    assert "unknown: left out" in text
    assert '"is_partial": false' in render_json(PROBE)


def test_the_json_follows_its_schema_and_has_null_for_what_is_not_known() -> None:
    validator = Draft202012Validator(probe_schema())
    for probe in (PROBE, Probe("http://x", "http", "2026-01-01T00:00:00Z", error="stalled")):
        document = json.loads(render_json(probe))
        validator.validate(document)
        assert document["schema"] == "placer/network-probe/v1"
    assert document["is_partial"] is True
    assert document["rtt"] == {"samples_s": [], "p50_s": None, "supported_percentile": 0.0}
    assert document["loss"]["ratio"] is None
    assert document["calls"] is None


def test_the_time_of_a_server_is_read_from_its_headers() -> None:
    timing = {"server-timing": 'db;dur=5, total;desc="all";dur=12.5'}
    found, ignored = of_headers([timing] * 2, [1.0] * 2)
    assert found is not None
    assert found.server_s == pytest.approx(0.0125)
    assert not ignored
    envoy, _ = of_headers([{"x-envoy-upstream-service-time": "7"}], [1.0])
    assert envoy is not None
    assert envoy.server_s == pytest.approx(0.007)
    assert of_headers([{}], [1.0]) == (None, "")


@pytest.mark.parametrize(
    "duration", ["1.2.3", "1_0", "\u0661", ".", "NaN", "inf", "-1", "1e999", "1500", "", "1" * 5000]
)
@pytest.mark.parametrize("header", ["server-timing", "x-envoy-upstream-service-time"])
def test_a_time_of_the_server_that_a_call_cannot_hold_is_ignored(
    header: str, duration: str
) -> None:
    told = f"app;dur={duration}" if header == "server-timing" else duration
    found, ignored = of_headers([{header: told}] * 2, [1.0] * 2)
    assert found is None
    assert "is no time that a call of 1000 ms can hold" in ignored


def test_one_time_that_makes_no_sense_leaves_the_others() -> None:
    found, ignored = of_headers([{"server-timing": "cache;dur=., app;dur=5"}], [1.0])
    assert found is not None
    assert found.server_s == pytest.approx(0.005)
    assert "'cache;dur=.'" in ignored


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-5"])
def test_metrics_that_are_no_counters_are_ignored(value: str) -> None:
    assert of_metrics(METRICS.replace("0.5", value), "digits") is None


@pytest.mark.parametrize(
    "stats",
    [
        None,
        [None],
        ["x"],
        [{"inference_stats": None}],
        [{"inference_stats": {"success": []}}],
        [{"inference_stats": {"success": {"count": "many", "ns": 1}}}],
        [{"inference_stats": {"success": {"count": 1, "ns": -1}}}],
        [{"inference_stats": {"success": {"count": 1.5, "ns": float("nan")}}}],
    ],
)
def test_statistics_that_make_no_sense_are_none(stats: object) -> None:
    assert of_statistics({"model_stats": stats}) is None


METRICS = """
# TYPE request_predict_seconds histogram
request_predict_seconds_count{model_name="digits"} 10.0
request_predict_seconds_sum{model_name="digits"} 0.5
request_predict_seconds_count{model_name="other"} 99.0
"""


def test_the_time_of_a_server_is_a_difference_of_its_metrics() -> None:
    found = of_metrics(METRICS, "digits")
    assert found is not None
    later = Counted(found.count + 4, found.total_s + 0.1, found.source)
    mean = between(found, later)
    assert mean is not None
    assert mean.server_s == pytest.approx(0.025)
    assert between(found, found) is None
    assert of_metrics(METRICS, "unknown") is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("htp://localhost", "http"),
        ("http://user:secret@host", "--header"),
        ("http://", "http://HOST:PORT"),
        ("http://host:99999", "http://HOST:PORT"),
        ("grpc://host/path", "grpc://HOST:PORT"),
    ],
)
def test_what_is_no_url_gets_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert "secret" not in caught.value.message
    assert hint in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("first", "word"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"HTTP/1.1 400 Bad Request", "HTTP/1.1"),
        (b"\x15\x03\x01\x00\x02\x02", "TLS"),
        (b"220 mail ready", "neither"),
    ],
)
def test_other_protocols_are_named(first: bytes, word: str) -> None:
    assert word in foreign(parse_target("grpc://host:1"), first).message


def test_bytes_of_no_protocol_are_escaped_once() -> None:
    told = foreign(parse_target("http://host:1"), b"\xff\x1b[31m\r\n").message
    assert told.endswith(r"it begins with '\xff\x1b[31m\r\n'")


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("/login?next=/", "probe http://host:1/login"),
        ("http://other/", "probe http://other/"),
        ("gopher://other/", "probe another path"),
        ("", "probe another path"),
    ],
)
def test_a_redirect_is_a_url_that_can_be_probed(location: str, hint: str) -> None:
    answer = Answer(302, {"location": location}, b"", 0, 0.0, 0.0, True, False)
    with pytest.raises(InputError) as caught:
        check_status(parse_target("http://host:1"), answer, what="GET /")
    assert caught.value.hint == hint


def test_text_of_others_is_written_as_escapes_and_cut() -> None:
    assert printable("a\x1b[2Jb\r\n\u202ec\x9b") == "a\\x1b[2Jb\\r\\n\\u202ec\\x9b"
    assert printable("caf\u00e9 \u4e16") == "caf\u00e9 \u4e16"
    assert len(printable("x" * 10_000)) < 1100


def test_open_dimensions_must_be_stated() -> None:
    batch = ModelInput("x", "FP32", (-1, 3))
    assert concrete([batch], {})[0].shape == (1, 3)
    open_ = ModelInput("x", "FP32", (1, -1))
    with pytest.raises(UsageError, match="open shape") as caught:
        concrete([open_], {})
    assert caught.value.hint == "state it: --shape x=1,D1 with your D1"
    assert concrete([open_], {"x": (1, 7)})[0].n_bytes == 28
    with pytest.raises(UsageError, match="does not fit"):
        concrete([open_], {"x": (2, 7)})
    with pytest.raises(UsageError, match="no input"):
        concrete([open_], {"y": (1, 7)})
    with pytest.raises(InputError, match="unknown data type"):
        concrete([ModelInput("x", "FP8", (1,))], {})


def sawtooth(slow: slice) -> tuple[np.ndarray, np.ndarray]:
    """Return times and what had arrived of 2.5 MB/s, a third of it in the slow part."""
    times = np.arange(0, 4, 0.005)
    rates = np.full(len(times), 2.5e6)
    rates[slow] /= 3
    return times, np.cumsum(rates * 0.005)


def test_the_slow_end_of_a_link_is_not_that_of_a_flow_that_lost_packets() -> None:
    slow = slice(300, 420)
    times, arrived = sawtooth(slow)
    in_flight, waits = np.full(len(times), 200e3), np.full(len(times), 0.06)
    told = link_rate(times, arrived, rtt_s=0.02, flow_rtt_s=waits, in_flight_bytes=in_flight)
    assert isinstance(told, LinkRate)
    assert told.p5_bytes_per_s is not None
    assert told.p5_bytes_per_s < 0.5 * told.median_bytes_per_s  # the link was slow, and busy
    in_flight[slow] = 15e3  # the path holds 50 kB: it was idle in between
    told = link_rate(times, arrived, rtt_s=0.02, flow_rtt_s=waits, in_flight_bytes=in_flight)
    assert isinstance(told, LinkRate)
    assert told.p5_bytes_per_s == pytest.approx(told.median_bytes_per_s, rel=0.02)


@pytest.mark.parametrize("span", ["1.0.0-2.00", "...-2.00", "1.00-..", "1.00-2.00"])
def test_lines_of_iperf3_that_are_none_are_left_out(span: str) -> None:
    text = f"[SUM]   {span}   sec  1.19 MBytes  1.0.0 Mbits/sec\n"
    told = {"server_output_text": text, "intervals": [], "end": {}}
    assert iperf._uploaded(told, 0.02).rate.rate is None


def iperf_download(bytes_: list[int]) -> dict[str, Any]:
    sums = [{"end": 0.1 * (n + 1), "bytes": one} for n, one in enumerate(bytes_)]
    return {"intervals": [{"sum": one} for one in sums], "end": {}}


def test_a_download_that_iperf3_reads_in_bursts_has_the_mean_rate() -> None:
    late = [500_000, 0, 500_000, 500_000, 0, 0] * 4  # a mean of 2.5 MB/s
    steady = iperf._found(iperf_download([250_000] * 24), rtt_s=0.001).rate
    bursts = iperf._found(iperf_download(late), rtt_s=0.001).rate
    for found in (steady, bursts):
        assert found.rate is not None
        assert found.rate.median_bytes_per_s == pytest.approx(2.5e6 * 1.036, rel=0.1)
    assert "bursts" not in steady.reason
    assert "it arrived in bursts" in bursts.reason
    assert bursts.rate is not None
    assert bursts.rate.p5_bytes_per_s is None


def test_a_short_upload_is_gauged_by_what_arrived() -> None:
    sent, arrived = {"bits_per_second": 16e6}, {"bits_per_second": 8e6}
    told = {"end": {"sum_sent": sent, "sum_received": arrived}}
    assert iperf._gauged_bytes_per_s(told) == 1e6
    assert iperf._gauged_bytes_per_s({"end": {"sum_sent": sent, "sum_received": {}}}) == 2e6


def test_pauses_of_a_download_are_told() -> None:
    times = np.arange(0, 2, 0.005)
    steady = np.cumsum(np.full(len(times), 2.5e6 * 0.005))
    bursts = np.repeat(steady[::8], 8)[: len(times)]  # all of 40 ms at once
    for arrived, low, high in ((steady, 0.0, 0.01), (bursts, 0.8, 0.9)):
        told = link_rate(times, arrived, rtt_s=0.02)
        assert isinstance(told, LinkRate)
        assert low <= told.paused_ratio <= high


def test_a_slow_link_has_no_pauses_between_its_packets() -> None:
    times = np.arange(0, 4, 0.005)
    arrived = MSS_BYTES * np.floor(times / 0.0125)  # one packet in 12.5 ms
    told = link_rate(times, arrived, rtt_s=0.02)
    assert isinstance(told, LinkRate)
    assert told.paused_ratio < 0.02


def test_windows_in_which_the_receiver_held_the_flows_back_do_not_count() -> None:
    times, arrived = sawtooth(slice(400, 800))
    waits = np.full(len(times), 0.06)
    held_s = np.cumsum(np.where(times >= 2, 0.004, 0.0))
    told = link_rate(times, arrived, rtt_s=0.02, flow_rtt_s=waits, held_s=held_s)
    assert isinstance(told, LinkRate)
    assert told.p5_bytes_per_s == pytest.approx(told.median_bytes_per_s, rel=0.02)
    told = link_rate(times, arrived, rtt_s=0.02, flow_rtt_s=waits, held_s=0.8 * times)
    assert told == "the server reads more slowly than the link carries"
