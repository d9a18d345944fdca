"""``placer network``."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run

PATH = ["--rtt", "50ms", "--uplink", "100Mbit/s", "--downlink", "100Mbit/s"]
KEYS = ["p50_s", "p90_s", "p95_s", "p99_s", "mean_s", "serialisation_s", "assumptions"]
HEADER = "rtt_ms,up_mbps,down_mbps,loss_pct,cc,connection,up_bytes,down_bytes,tls,buffer_pkts"


def without(path: list[str], options: list[str]) -> list[str]:
    pairs = zip(path[::2], path[1::2], strict=True)
    return [text for pair in pairs if pair[0] not in options for text in pair]


def test_tells_the_distribution_in_json(run: Run) -> None:
    result = run(
        "network", "estimate", *PATH, "--up", "150528B", "--down", "1000B", "--no-tls",
        "--connection", "idle", "--cc", "cubic", "--server-time", "5ms", "--format", "json",
    )  # fmt: skip
    assert result.code == 0
    found = json.loads(result.out)
    assert list(found) == KEYS
    assert found["p50_s"] == pytest.approx(0.2051 + 0.005, rel=0.01)  # measured: 205.1 ms
    assert found["p50_s"] == found["p99_s"] == pytest.approx(found["mean_s"])


def test_tells_it_in_words(run: Run) -> None:
    result = run(
        "network", "estimate", "--network", "starlink_us", "--up", "150KB", "--down", "4KB"
    )
    assert result.code == 0
    assert "150 kB up, 4.00 kB down over starlink_us (http1, warm connection, TLS, cubic)" in (
        result.out
    )
    assert "comes in bursts is unknown: these are times with losses one by one" in result.out
    assert "`placer recommend` judges by the times without loss, p50 1" in result.out


def test_options_override_the_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "name: site\nrtt: {p50: 20 ms}\nuplink: 10 Mbit/s\ndownlink: 50 Mbit/s\nloss: 1%\n"
        "loss_burst: 2\nbuffer: 300 kB\nconnection: new\ntls: false\n"
    )
    ask = ["network", "estimate", "--network", str(file), "--up", "20KB", "--down", "1KB"]
    lossy = json.loads(run(*ask, "--format", "json").out)
    assert lossy["p99_s"] > 1.5 * lossy["p50_s"]
    clean = json.loads(run(*ask, "--loss", "0%", "--connection", "warm", "--format", "json").out)
    assert clean["p99_s"] == clean["p50_s"] < lossy["p50_s"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("loss: 100%", "leaves no connection"),
        ("loss: 60%", "at most 50%"),
        ("buffer: 1B", "holds no packet"),
    ],
)
def test_a_file_cannot_state_what_no_option_may(
    run: Run, tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        f"name: a\nrtt: {{p50: 20 ms}}\nuplink: 10 Mbit/s\ndownlink: 10 Mbit/s\n{line}\n"
    )
    found = run("network", "estimate", "--network", str(file), "--up", "1KB", "--down", "1KB")
    assert found.code == 2
    assert words in found.err
    assert "site.yaml:5" in found.err


def test_the_way_on_to_a_region_is_added_and_told(run: Run) -> None:
    ask = ["network", "estimate", "--network", "fiber_100", "--up", "1KB", "--down", "1KB"]
    ask += ["--format", "json"]
    near = json.loads(run(*ask).out)
    far = json.loads(run(*ask, "--from", "azure-uksouth", "--to", "azure-eastus").out)
    assert far["p50_s"] - near["p50_s"] == pytest.approx(0.080, abs=1e-4)
    told = far["assumptions"][0]
    assert "the way from azure-uksouth to azure-eastus adds 80.0 ms" in told
    assert "its published p95 (Microsoft" in told
    assert "2026-07-30" in told


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (
            "aws-us-east-1",
            "adds 90.0 ms to each round trip, its published p95 and an estimate of 10",
        ),
        ("azure-uksouth", "adds 2.90 ms to each round trip, an estimate of its p95 (within one"),
    ],
)
def test_what_is_estimated_of_a_way_is_told(run: Run, end: str, words: str) -> None:
    ask = ["network", "estimate", "--network", "fiber_100", "--up", "1KB", "--down", "1KB"]
    assert words in run(*ask, "--from", "azure-uksouth", "--to", end).out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "DE"], "--from without --to"),
        (["--to", "aws-us-east-1"], "--to without --from"),
        (["--from", "DE", "--to", "US"], "--to 'US' is a country"),
        (["--from", "DE", "--to", "us-east-9"], "unknown --to 'us-east-9'"),
        (["--from", "Germani", "--to", "aws-us-east-1"], "unknown --from 'Germani'"),
        (["--from", "azure-uksouth", "--to", "aws-us-west-2"], "no round trip from azure-uksouth"),
        (["--network", "lte_us", "--from", "DE", "--to", "aws-us-east-1"], "--to has no effect"),
        (["--network", "nb_iot", "--from", "DE", "--to", "aws-us-east-1"], "does not say"),
    ],
)
def test_a_way_that_cannot_be_added_is_told(run: Run, options: list[str], words: str) -> None:
    network = [] if "--network" in options else ["--network", "fiber_100"]
    result = run("network", "estimate", *network, *options, "--up", "1KB", "--down", "1KB")
    assert result.code == 2
    assert words in result.err
    assert "hint: " in result.err
    assert result.out == ""


def test_a_tensor_takes_its_encoding(run: Run) -> None:
    ask = ["network", "estimate", *PATH, "--down", "float32[1,1000]", "--format", "json"]
    ask += ["--up", "float32[1,3,224,224]"]
    binary = json.loads(run(*ask).out)
    text = json.loads(run(*ask, "--encoding", "json").out)
    assert text["serialisation_s"] > 100 * binary["serialisation_s"] > 0
    assert text["p50_s"] > 3 * binary["p50_s"]


def test_every_protocol_and_state_has_a_time(run: Run) -> None:
    times = {}
    for protocol in ("http1", "http2", "grpc", "raw"):
        result = run(
            "network", "estimate", *PATH, "--up", "1KB", "--down", "1KB", "--connection", "new",
            "--protocol", protocol, "--format", "json",
        )  # fmt: skip
        times[protocol] = json.loads(result.out)["p50_s"]
    assert times["raw"] < times["http1"] < 0.155
    assert times["grpc"] > times["http2"] + 0.045


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--up", "1KB"], "--down is missing"),
        (["--up", "1", "--down", "1KB"], "--up '1' has no unit"),
        (["--up", "1KB", "--down", "1KB", "--connection", "worm"], "'worm' (did you mean 'warm'?)"),
        (["--up", "1KB", "--down", "1KB", "--cc", "reno"], "congestion control 'reno'"),
        (["--up", "1KB", "--down", "1KB", "--protocol", "http3"], "--protocol 'http3' is unknown"),
        (["--up", "1KB", "--down", "1KB", "--loss", "60%"], "leaves no connection"),
        (["--up", "1KB", "--down", "1KB", "--loss-burst", "0.5"], "--loss-burst 0.5"),
        (["--up", "1KB", "--down", "1KB", "--in-flight", "0"], "--in-flight 0"),
        (["--up", "1KB", "--down", "1KB", "--encoding", "json"], "neither --up nor --down"),
        (["--up", "float99[1]", "--down", "1KB"], "unknown type 'float99'"),
        (["--up", "1KB", "--down", "1KB", "--rtt", "20"], "--rtt '20' has no unit"),
        (["--up", "1KB", "--down", "1KB", "--rtt", "1001s"], "--rtt '1001s' is out of range"),
        (
            ["--up", "1KB", "--down", "1KB", "--uplink", "1e300bit/s"],
            "--uplink '1e300bit/s' is out",
        ),
        (["--up", "1KB", "--down", "1KB", "--downlink", "1e-9bit/s"], "--downlink '1e-9bit/s' is"),
        (["--up", "1KB", "--down", "1KB", "--server-time", "1e9s"], "--server-time '1e9s' is out"),
        (["--up", "1KB", "--down", "1KB", "--buffer", "16GB"], "--buffer '16GB' is out of range"),
        (["--up", "1KB", "--down", "1KB", "--loss-burst", "2"], "'stated' loses no packets"),
        (["--up", "1KB", "--down", "1KB", "--loss", "0%", "--loss-burst", "2"], "--loss is 0%"),
    ],
)
def test_a_bad_option_is_told(run: Run, options: list[str], words: str) -> None:
    path = without(PATH, options)
    result = run("network", "estimate", *path, *options)
    assert result.code == 2
    assert words in result.err
    assert result.out == ""


def test_a_path_without_a_rate_is_told(run: Run) -> None:
    result = run("network", "estimate", "--rtt", "20ms", "--up", "1KB", "--down", "1KB")
    assert result.code == 2
    assert "the uplink and the downlink of network 'stated' are unknown" in result.err


def test_each_line_of_a_file_is_one_object(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(
        f"id,{HEADER}\n"
        "a,50,100,100,0,cubic,idle,150528,1000,false,1000\n"
        "b,50,10,10,1,bbr,new,20000,1000,0,\n"
        "\n"
        "c,20,10,,,,,1000,,,\n"
    )
    result = run(
        "network", "estimate", "--cases", str(file), "--downlink", "10Mbit/s", "--down", "1KB"
    )
    assert result.code == 0
    a, b, c = map(json.loads, result.out.splitlines())
    assert list(a) == ["id", *KEYS]
    assert [one["id"] for one in (a, b, c)] == ["a", "b", "c"]
    assert a["p50_s"] == pytest.approx(0.2051, rel=0.01)
    assert b["p99_s"] > 1.0  # a lost SYN
    assert c["p50_s"] == pytest.approx(0.0220, rel=0.02)


def test_lines_have_the_bounds_of_the_options(run: Run, tmp_path: Path) -> None:
    options = {
        "rtt_ms": ("--rtt", "{}ms", (1e6, 1e6 + 1)),
        "up_mbps": ("--uplink", "{}Mbit/s", (1e6, 1e6 + 1)),
        "down_mbps": ("--downlink", "{}Mbit/s", (1e-6, 0.9e-6)),
        "loss_pct": ("--loss", "{}%", (50, 50.1)),
        "server_time_ms": ("--server-time", "{}ms", (1e9, 1e9 + 1)),
    }
    ask = ["network", "estimate", "--up", "1B", "--down", "1B"]
    file = tmp_path / "cases.csv"
    for column, (option, form, (good, bad)) in options.items():
        path = without(PATH, [option])
        for value, code in ((good, 0), (bad, 2)):
            file.write_text(f"{column}\n{value!r}\n")
            inline = run(*ask, *path, option, form.format(repr(value)), "--format", "json")
            lines = run(*ask, *path, "--cases", str(file))
            assert (inline.code, lines.code) == (code, code), (column, inline.err, lines.err)
            if code == 0:
                inline_s, line_s = (json.loads(one.out)["p50_s"] for one in (inline, lines))
                assert inline_s == pytest.approx(line_s)


def test_a_line_tells_what_neither_it_nor_an_option_states(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("cc,tls,up_bytes\ncubic,,1000\n,0,1000\n")
    found = run("network", "estimate", *PATH, "--down", "1KB", "--loss", "0", "--cases", str(file))
    first, second = (json.loads(line)["assumptions"] for line in found.out.splitlines())
    assert first == ["connection: warm", "TLS: on"]
    assert second == ["connection: warm", "congestion control: cubic"]


def test_equal_lines_are_worked_out_once(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    line = "50,10,10,1,cubic,new,100000,1000,false,\n"
    times_s = []
    for number in (1, 400):
        file.write_text(f"{HEADER}\n{line * number}")
        start = time.perf_counter()
        found = run("network", "estimate", "--cases", str(file))
        times_s.append(time.perf_counter() - start)
        assert len(found.out.splitlines()) == number
        assert len(set(found.out.splitlines())) == 1
        assert found.err.startswith(f"{number:,} cases, 1 of them different")
    assert times_s[1] < 100 * times_s[0]


def test_lines_of_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def given(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    given(f"{HEADER}\n50,100,100,0,cubic,idle,1000,1000,false,\n".encode())
    result = run("network", "estimate", "--cases", "-")
    assert result.code == 0, result.err
    assert list(json.loads(result.out)) == KEYS
    given(b"rtt_ms\nx\n")
    result = run("network", "estimate", "--cases", "-")
    assert result.code == 2
    assert "-:2: rtt_ms 'x' is not a number" in result.err


def test_a_loss_of_a_line_comes_in_the_bursts_of_the_option(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    line = "50,10,10,{},cubic,new,20000,1000,false,\n"
    file.write_text(HEADER + "\n" + line.format(2))
    ask = ["network", "estimate", "--cases", str(file)]
    single, burst = (json.loads(run(*ask, *more).out) for more in ([], ["--loss-burst", "8"]))
    assert burst["p90_s"] < single["p90_s"]
    file.write_text(HEADER + "\n" + line.format(0))
    found = run(*ask, "--loss-burst", "8")
    assert found.code == 2
    assert "no line of" in found.err


def test_what_is_no_bounded_file_is_refused(run: Run, tmp_path: Path) -> None:
    pipe, large, long = (tmp_path / name for name in ("pipe", "large", "long"))
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(33 * 2**20)
    long.write_text("up_bytes\n" + "1\n" * 100_001)
    told = {
        str(pipe): "is a pipe",
        str(large): "is larger than 32 MiB",
        str(long): "has more than 100,000 lines",
        str(tmp_path): "cannot be read",
    }
    if Path("/dev/zero").exists():
        told["/dev/zero"] = "is larger than 32 MiB"
    for name, words in told.items():
        found = run("network", "estimate", *PATH, "--down", "1B", "--cases", name)
        assert found.code == 3
        assert words in found.err


def test_lines_are_no_text(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n50,100,100,0,cubic,idle,1000,1000,false,\n")
    for options in (["--format", "text"], ["--output", "text=x"]):
        found = run("network", "estimate", "--cases", str(file), *options)
        assert found.code == 2
        assert "one JSON object a line, no text" in found.err


def test_the_objects_go_to_a_file(run: Run, tmp_path: Path) -> None:
    file, target = tmp_path / "cases.csv", tmp_path / "found.jsonl"
    file.write_text(f"{HEADER}\n50,100,100,0,cubic,idle,1000,1000,false,\n")
    result = run("network", "estimate", "--cases", str(file), "--output", f"json={target}")
    assert result.code == 0
    assert result.out == ""
    (line,) = target.read_text().splitlines()
    assert list(json.loads(line)) == KEYS


@pytest.mark.parametrize(
    ("header", "line", "words"),
    [
        (HEADER, "x,10,10,0,cubic,warm,1,1,,", ":3: rtt_ms 'x' is not a number"),
        (HEADER, "50,0,10,0,cubic,warm,1,1,,", ":3: up_mbps '0' is out of range"),
        (HEADER, "50,10,10,80,cubic,warm,1,1,,", ":3: loss_pct '80' is out of range"),
        (
            HEADER,
            "50,10,10,0,cubik,warm,1,1,,",
            ":3: cc 'cubik' is unknown (did you mean 'cubic'?)",
        ),
        (HEADER, "50,10,10,0,cubic,hot,1,1,,", ":3: connection 'hot' is unknown"),
        (HEADER, "50,10,10,0,cubic,warm,1.5,1,,", ":3: up_bytes '1.5' is not a whole number"),
        (HEADER, "50,10,10,0,cubic,warm,1_000,1,,", ":3: up_bytes '1_000' is not a number"),
        (HEADER, "50,10,10,0,cubic,warm,0,1,,", ":3: up_bytes '0' is out of range"),
        (HEADER, "50,10,10,0,cubic,warm,,1,,", ":3: up_bytes is missing"),
        (HEADER, ",10,10,0,cubic,warm,1,1,,", ":3: rtt_ms is missing"),
        (HEADER, "50,10,10,0,cubic,warm,1,1,maybe,", ":3: tls 'maybe' is neither true nor false"),
        (HEADER, "50,10,10", ":3: 3 cells under 10 columns"),
        (HEADER, '50,10,"10', "not CSV"),
        (HEADER.replace("rtt_ms", "rtt"), "50,10,10,0,cubic,warm,1,1,,", "'rtt' (did you mean"),
        (HEADER.replace("cc", "rtt_ms"), "50,10,10,0,5,warm,1,1,,", "'rtt_ms' is there twice"),
        (HEADER.replace("cc", "p50_s"), "50,10,10,0,5,warm,1,1,,", "'p50_s' is one of the result"),
        ("a,b", "1,2", "no known column"),
    ],
)
def test_a_bad_cell_is_told_with_its_line(
    run: Run, tmp_path: Path, header: str, line: str, words: str
) -> None:
    file = tmp_path / "cases.csv"
    good = "50,10,10,0,cubic,warm,1,1,," if header.count(",") == 9 else "1,2"
    file.write_text(f"{header}\n{good}\n{line}\n")
    if header != HEADER:
        file.write_text(f"{header}\n{line}\n")
    result = run("network", "estimate", "--cases", str(file))
    assert result.code == 2
    assert words in result.err
    assert result.out == ""


@pytest.mark.parametrize("content", [None, "", HEADER + "\n"])
def test_a_file_without_cases_is_no_input(run: Run, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "cases.csv"
    if content is not None:
        file.write_text(content)
    result = run("network", "estimate", "--cases", str(file))
    assert result.code in ((3,) if content != "" else (2, 3))
    assert "cases.csv" in result.err


def test_a_result_never_overwrites_the_cases(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n50,100,100,0,cubic,idle,1000,1000,false,\n")
    result = run("network", "estimate", "--cases", str(file), "--output", f"json={file}")
    assert result.code == 2
    assert "would be overwritten" in result.err


def test_it_says_where_recommend_takes_another_connection(run: Run) -> None:
    ask = ("network", "estimate", *PATH, "--up", "20KB", "--down", "1KB", "--format", "json")
    for options, is_told in (
        (("--loss", "1%", "--connection", "warm"), True),
        (("--loss", "1%", "--connection", "new"), False),
        (("--loss", "1%", "--connection", "warm", "--cc", "bbr"), False),
        (("--loss", "0", "--connection", "warm"), False),
    ):
        told = json.loads(run(*ask, *options).out)["assumptions"]
        assert any("in the long run" in text for text in told) == is_told, options


def test_an_unknown_loss_is_no_loss_of_none(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "name: site\ntitle: t\nbasis: measured\nmeasured_at: '2026-11-27'\nsource: me\n"
        "rtt: {p50: 20 ms}\nuplink: 10 Mbit/s\ndownlink: 10 Mbit/s\nmeasured_to: endpoint\n"
    )
    found = run("network", "estimate", "--network", str(file), "--up", "1KB", "--down", "1KB")
    assert "loss unknown" in found.out
    assert "no loss" not in found.out
