"""`placer network probe` against real servers on the loopback device, and over an emulated link."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trustme

from tests import emulation, inference_server
from tests.emulation import EmulatedLink
from tests.inference_server import InferenceServer
from tests.ports import answering, free_port, listening, relaying, unanswering
from tests.web_server import Handler, Server

ROOT = Path(__file__).parent.parent.parent
DIGITS = ROOT / "examples" / "01_digits"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
SECRET = "Bearer hunter2"

Done = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k.lower() not in PROXIES}
    return {**kept, **more}


def command(url: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "placer", "network", "probe", url, *options]


def probe(url: str, *options: str, **more: str) -> Done:
    short = () if "--duration" in options else ("--duration", "1s")
    done = subprocess.run(
        command(url, *short, "--timeout", "1s", *options),
        capture_output=True,
        text=True,
        env=environment(**more),
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "bug in placer" not in done.stderr
    return done


def told(done: Done) -> dict:  # type: ignore[type-arg]  # JSON
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return ca, str(file)


def tls(cert: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


def pem(cert: trustme.LeafCert, folder: Path) -> str:
    file = folder / "server.pem"
    cert.private_key_and_cert_chain_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServer]:
    inference_server.need()
    log = tmp_path_factory.mktemp("kserve") / "log"
    with inference_server.serving(DIGITS / "digits.onnx", log) as server:
        yield server


def test_a_web_server_is_measured_and_the_file_is_a_network(web: int, tmp_path: Path) -> None:
    site, json_ = tmp_path / "site.yaml", tmp_path / "site.json"
    done = probe(
        f"http://127.0.0.1:{web}/",
        *("--output", f"yaml={site}", "--output", f"json={json_}", "--max-data", "8MB"),
        *("--header", f"Authorization: {SECRET}"),
    )
    assert done.returncode == 0, done.stderr
    assert "round trip" in done.stdout
    assert done.stderr.startswith("plan: at most 8.00 MB")
    found = json.loads(json_.read_text())
    assert 0 < found["rtt"]["p50_s"] < 0.01
    assert found["phases"]["connect_s"] > 0
    assert found["calls"]["what"] == "HEAD /"
    assert found["sent_bytes"] + found["received_bytes"] < 8e6
    for text in (done.stdout, done.stderr, site.read_text(), json_.read_text()):
        assert "hunter2" not in text
    for words in (
        ["network", "estimate", "--network", str(site), "--uplink", "10Mbit/s"],
        ["recommend", str(DIGITS / "digits.onnx"), "--network", str(site), "--sla", "1s"],
    ):
        if words[0] == "network":
            words += ["--downlink", "10Mbit/s", "--up", "1KB", "--down", "1KB"]
        else:
            words += ["--device", "rpi5", "--no-measure"]
        used = subprocess.run(
            [sys.executable, "-m", "placer", *words],
            capture_output=True,
            text=True,
            env=environment(),
            cwd=ROOT,
            check=False,
        )
        assert used.returncode in (0, 5), used.stderr


def test_tls_is_timed_apart(authority: tuple[trustme.CA, str], web: int, tmp_path: Path) -> None:
    ca, file = authority
    with relaying(web, pem(ca.issue_cert("localhost"), tmp_path)) as port:
        options = ("--ca-cert", file, "--no-upload", "--format", "json")
        found = told(probe(f"https://localhost:{port}/", *options))
        assert found["tls_version"] == "TLSv1.3"
        assert found["phases"]["tls_s"] > 0
        unchecked = told(probe(f"https://localhost:{port}/", "--insecure", "--format", "json"))
        assert "certificates were not checked" in unchecked["notes"]


def test_certificates_that_are_not_accepted_say_why(authority: tuple[trustme.CA, str]) -> None:
    ca, file = authority
    expired = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    handle = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    for cert, options, reason in (
        (ca.issue_cert("localhost"), (), "authority that signed it is not known"),
        (ca.issue_cert("other.example"), ("--ca-cert", file), "another host than localhost"),
        (
            ca.issue_cert("localhost", not_before=expired, not_after=expired.replace(year=2021)),
            ("--ca-cert", file),
            "has expired",
        ),
    ):
        with listening(handle, context=tls(cert)) as port:
            done = probe(f"https://localhost:{port}/", *options)
        assert done.returncode == 4
        assert reason in done.stderr


def test_tls_and_no_tls_are_told_apart(
    authority: tuple[trustme.CA, str], web: int, tmp_path: Path
) -> None:
    done = probe(f"https://127.0.0.1:{web}/", "--insecure")
    assert done.returncode == 3
    assert "does not speak TLS" in done.stderr
    assert f"http://127.0.0.1:{web}" in done.stderr
    with relaying(web, pem(authority[0].issue_cert("localhost"), tmp_path)) as port:
        done = probe(f"http://localhost:{port}/")
    assert done.returncode in (3, 4)
    assert "error:" in done.stderr


def _silent(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def _ssh(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    _silent(sock)


def _half(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")


def _close(sock: socket.socket) -> None:
    sock.recv(65536)


def _status(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", *headers, "Content-Length: 0", "", ""]).encode()


@pytest.mark.parametrize(
    ("handle", "code", "said"),
    [
        (_silent, 4, "stalls"),
        (_ssh, 3, "speaks SSH"),
        (_half, 4, "closes the connection after 10 of 1,000 bytes"),
        (_close, 4, "closes the connection"),
        (answering(_status("401 Unauthorized")), 3, "--header"),
        (answering(_status("403 Forbidden")), 3, "403 Forbidden"),
        (answering(_status("404 Not Found")), 3, "404 Not Found"),
        (answering(_status("503 Unavailable", "Via: 1.1 gate")), 4, "through 1.1 gate"),
        (answering(_status("407 Proxy Authentication Required")), 4, "a proxy stands between"),
        (answering(_status("302 Found", "Location: https://x.example/a")), 3, "x.example/a"),
    ],
    ids=["silent", "ssh", "half", "closes", "401", "403", "404", "503", "407", "302"],
)
@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_none_is_told(handle, code: int, said: str, scheme: str) -> None:  # type: ignore[no-untyped-def]  # a handler
    with listening(handle) as port:
        done = probe(f"{scheme}://127.0.0.1:{port}{'/page' if scheme == 'http' else ''}")
    if scheme == "http":
        assert done.returncode == code
        assert said in done.stderr
    else:
        assert done.returncode in (3, 4)
    assert "error: " in done.stderr
    assert "TCP" in done.stdout  # what was measured is kept
    assert "partial: " in done.stdout


def test_unreachable_hosts_say_why() -> None:
    for url, said in (
        ("http://no-such-host.invalid/", "was not found"),
        (f"http://127.0.0.1:{free_port()}/", "refuses connections"),
    ):
        done = probe(url)
        assert done.returncode == 4
        assert said in done.stderr
        assert done.stdout == ""


def test_a_host_that_drops_everything_times_out() -> None:
    with unanswering() as port:
        done = probe(f"http://127.0.0.1:{port}/")
    assert done.returncode == 4
    assert "no connection within 1 s" in done.stderr


def test_a_proxy_is_named_as_the_likely_reason() -> None:
    done = probe(f"http://127.0.0.1:{free_port()}/", http_proxy="http://proxy.example:3128")
    assert done.returncode == 4
    assert "http_proxy names a proxy" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("localhost:80",),
        ("http://127.0.0.1/", "--inputs", "x.npz"),
        ("http://127.0.0.1/", "--duration", "10ms"),
        ("http://127.0.0.1/", "--max-data", "1kB"),
        ("http://127.0.0.1/", "--header", "nonsense"),
        ("http://127.0.0.1/", "--encoding", "json"),
        ("http://127.0.0.1/", "--no-upload", "--upload-url", "http://127.0.0.1/"),
        ("iperf3://127.0.0.1", "--model", "digits"),
        ("http://127.0.0.1/", "--insecure"),
        ("http://127.0.0.1/a b",),
    ],
)
def test_options_that_make_no_sense_are_refused(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        command(*options), capture_output=True, text=True, cwd=ROOT, env=environment(), check=False
    )
    assert done.returncode == 2, done.stderr
    assert "hint: " in done.stderr


def test_an_interrupt_keeps_what_was_measured(web: int, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    words = command(f"http://127.0.0.1:{web}/", "--output", f"yaml={site}", "--duration", "60s")
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=ROOT,
    ) as child:
        assert child.stderr is not None
        child.stderr.readline()  # the plan
        time.sleep(4)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "partial: interrupted" in out
    assert "partial: interrupted" in site.read_text()


def test_real_inference_over_http(inference: InferenceServer, tmp_path: Path) -> None:
    image = np.random.default_rng(1).random((1, 1, 8, 8), dtype=np.float32)
    np.savez(tmp_path / "x.npz", image=image)
    url = f"http://127.0.0.1:{inference.http_port}"
    for options in (("--inputs", str(tmp_path / "x.npz")), ("--encoding", "binary")):
        found = told(probe(url, "--model", "digits", *options, "--format", "json"))
        calls = found["calls"]
        assert calls["what"] == "inference of digits"
        assert len(calls["times_s"]) >= 2
        assert calls["server_source"] == "metric request_predict_seconds"
        assert 0 < calls["server_s"] < max(calls["times_s"])
        assert "Open Inference Protocol" in found["protocol"]


def test_real_inference_over_grpc(inference: InferenceServer) -> None:
    url = f"grpc://127.0.0.1:{inference.grpc_port}"
    found = told(probe(url, "--model", "digits", "--format", "json"))
    assert found["calls"]["what"] == "inference of digits"
    assert found["calls"]["server_s"] is None
    assert found["calls"]["server_estimate_s"] > 0
    assert found["server"].startswith("kserve")
    metrics = f"http://127.0.0.1:{inference.http_port}/metrics"
    found = told(probe(url, "--model", "digits", "--metrics-url", metrics, "--format", "json"))
    assert found["calls"]["server_s"] > 0


def test_real_inference_over_tls(
    inference: InferenceServer, authority: tuple[trustme.CA, str], tmp_path: Path
) -> None:
    ca, file = authority
    cert = pem(ca.issue_cert("localhost"), tmp_path)
    for scheme, port, protocol in (
        ("https", inference.http_port, "http/1.1"),
        ("grpcs", inference.grpc_port, "h2"),
    ):
        with relaying(port, cert, protocol) as secure:
            options = ("--model", "digits", "--ca-cert", file, "--no-upload", "--format", "json")
            found = told(probe(f"{scheme}://localhost:{secure}", *options))
        assert found["tls_version"] == "TLSv1.3"
        assert found["calls"]["what"] == "inference of digits"


def test_an_unknown_model_is_told_with_those_that_are_known(inference: InferenceServer) -> None:
    done = probe(f"http://127.0.0.1:{inference.http_port}", "--model", "digit")
    assert done.returncode == 3
    assert "did you mean 'digits'?" in done.stderr
    done = probe(f"grpc://127.0.0.1:{inference.grpc_port}", "--model", "digit")
    assert done.returncode == 3
    assert "does not know the model 'digit'" in done.stderr


def test_http_and_grpc_ports_are_told_apart(inference: InferenceServer, web: int) -> None:
    done = probe(f"http://127.0.0.1:{inference.grpc_port}")
    assert done.returncode == 3
    assert f"grpc://127.0.0.1:{inference.grpc_port}" in done.stderr
    done = probe(f"grpc://127.0.0.1:{inference.http_port}")
    assert done.returncode == 3
    assert f"http://127.0.0.1:{inference.http_port}" in done.stderr
    done = probe(f"http://127.0.0.1:{web}", "--model", "digits")
    assert done.returncode == 3
    assert "does not speak the Open Inference Protocol" in done.stderr


def test_a_missing_iperf3_says_what_to_install(tmp_path: Path) -> None:
    done = probe("iperf3://127.0.0.1:1", PATH=str(tmp_path))
    assert done.returncode == 4
    assert "apt install iperf3" in done.stderr


@pytest.fixture(scope="module")
def _permitted() -> None:
    if sys.platform != "linux":
        pytest.skip("network namespaces are of Linux")
    emulation.skip_unless_permitted()


def _over(link: EmulatedLink, url: str, *options: str) -> dict:  # type: ignore[type-arg]  # JSON
    done = link.client.run(
        command(url, *options, "--format", "json"),
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
    )
    return told(done)


def _served(link: EmulatedLink, *options: str) -> str:
    """Start a web server beyond the link and return its URL."""
    server = link.server.spawn(
        [sys.executable, "-m", "tests.web_server", link.server_address, "8080", *options],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert server.stdout is not None
    server.stdout.readline()
    return f"http://{link.server_address}:8080/"


def _mbit_per_s(found: dict, way: str) -> float:  # type: ignore[type-arg]  # JSON
    assert found[way]["bytes_per_s"] is not None, found[way]["reason"]
    return 8e-6 * float(found[way]["bytes_per_s"])


@pytest.mark.usefixtures("_permitted")
def test_an_emulated_link_is_recovered() -> None:
    with EmulatedLink(delay_s=0.010, up_bytes_per_s=5e6 / 8, down_bytes_per_s=20e6 / 8) as link:
        url = _served(link)
        found = _over(link, url, "--duration", "6s")
        sent = link.counts()
    assert found["rtt"]["p50_s"] == pytest.approx(0.020, rel=0.03)
    assert _mbit_per_s(found, "uplink") == pytest.approx(5, rel=0.1)
    assert _mbit_per_s(found, "downlink") == pytest.approx(20, rel=0.1)
    assert found["loss"]["lost"] == 0
    assert found["sent_bytes"] + found["received_bytes"] < 20e6
    assert 1514 * sum(way.sent for way in sent) < 2 * 20e6


@pytest.mark.slow
@pytest.mark.usefixtures("_permitted")
def test_lost_packets_do_not_make_the_slow_end_of_a_link() -> None:
    rate = 20e6 / 8
    with EmulatedLink(
        delay_s=0.010, up_bytes_per_s=rate, down_bytes_per_s=rate, up_loss_ratio=0.01, seed=3
    ) as link:
        url = _served(link)
        found = _over(link, url, "--duration", "6s", "--no-download")
    assert _mbit_per_s(found, "uplink") == pytest.approx(20, rel=0.1)
    p5 = found["uplink"]["p5_bytes_per_s"]
    assert p5 is None or p5 >= 0.85 * found["uplink"]["bytes_per_s"]


@pytest.mark.slow
@pytest.mark.usefixtures("_permitted")
@pytest.mark.parametrize("block_bytes", [16384, 65536])
def test_a_server_that_sends_slowly_does_not_tell_the_rate_of_the_link(block_bytes: int) -> None:
    rate = 50e6 / 8
    pause_s = block_bytes / (4.25e6 / 8)  # each of four connections: a third of the link
    options = ("--send-block-bytes", str(block_bytes), "--send-pause-s", str(pause_s))
    with EmulatedLink(delay_s=0.010, up_bytes_per_s=rate, down_bytes_per_s=rate) as link:
        found = _over(link, _served(link, *options), "--duration", "6s", "--no-upload")
    assert found["downlink"]["bytes_per_s"] is None
    assert "sends more slowly" in found["downlink"]["reason"]


@pytest.mark.slow
@pytest.mark.usefixtures("_permitted")
@pytest.mark.parametrize("max_data", ["2MB", "20MB"])
def test_a_server_that_reads_slowly_does_not_tell_the_rate_of_the_link(max_data: str) -> None:
    rate = 50e6 / 8
    with EmulatedLink(delay_s=0.010, up_bytes_per_s=rate, down_bytes_per_s=rate) as link:
        url = _served(link, "--read-pause-s", str(65536 / (2e6 / 8)))
        options = ("--duration", "6s", "--no-download", "--max-data", max_data)
        found = _over(link, url, *options)
    assert found["uplink"]["bytes_per_s"] is None
    assert "reads more slowly" in found["uplink"]["reason"]


@pytest.mark.slow
@pytest.mark.usefixtures("_permitted")
def test_a_server_that_answers_while_it_reads_tells_the_rate_of_the_link() -> None:
    rate = 20e6 / 8
    with EmulatedLink(delay_s=0.010, up_bytes_per_s=rate, down_bytes_per_s=rate) as link:
        url = _served(link, "--answers-early")
        found = _over(link, url, "--duration", "6s", "--no-download")
    assert _mbit_per_s(found, "uplink") == pytest.approx(20, rel=0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("_permitted")
def test_iperf3_recovers_an_emulated_link() -> None:
    if shutil.which("iperf3") is None:
        reason = "the program iperf3 is not installed"
        can_install = os.getuid() == 0 and shutil.which("apt-get") is not None
        (pytest.fail if os.environ.get("CI") and can_install else pytest.skip)(reason)
    with EmulatedLink(delay_s=0.010, up_bytes_per_s=5e6 / 8, down_bytes_per_s=20e6 / 8) as link:
        link.server.spawn(["iperf3", "--server"], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        found = _over(link, f"iperf3://{link.server_address}", "--duration", "12s")
    assert found["rtt"]["p50_s"] == pytest.approx(0.020, rel=0.03)
    assert _mbit_per_s(found, "uplink") == pytest.approx(5, rel=0.1)
    assert _mbit_per_s(found, "downlink") == pytest.approx(20, rel=0.1)
