"""Hosts of URLs: which one a URL names, and whether that is the cluster or the same host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core.hosts import host_of, is_in_cluster, is_same_host, scheme_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.example.com:80/x", "a.example.com"),
        ("HTTPS://A.Example.com.", "a.example.com"),
        ("http://user:word@a.example.com", "a.example.com"),
        ("http://a.example.com?b.svc", "a.example.com"),
        ("http://a.example.com#b.svc", "a.example.com"),
        ("http://a.example.com\\b.svc", "a.example.com"),
        ("http://[2001:db8::1]:80/", "2001:db8::1"),
        ("\t http://a.example.com", "a.example.com"),
        ("http://a。example．com", "a.example.com"),
        ("http:///x", None),
        ("a.example.com/x", None),
        ("$upstream", None),
    ],
)
def test_names_the_host_as_a_client_would(url: str, host: str | None) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    "host",
    [
        *("a.b.svc", "a.b.svc.cluster.local", "logger", "10-0-0-1.b.pod.cluster.local"),
        *("message-dumper.default", "broker-ingress.knative-eventing", "a.my-team", "a.line2"),
    ],
)
def test_services_and_bare_names_are_in_the_cluster(host: str) -> None:
    assert is_in_cluster(host)
    assert not is_same_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("a.example.com", "2001:db8::1", "10.0.0.1", "134744072", "a.local", "a%2eeu", "ä"),
        *("example.com", "a.dev", "a.app", "a.sorting", "a.xn--p1ai", "0x7f.0x1", "127.1a"),
        *("a.example.my-team", "a.default.com", "default.com", "a.default.b", "my-team.eu"),
    ],
)
def test_addresses_and_public_names_are_not(host: str) -> None:
    assert not is_in_cluster(host)
    assert not is_same_host(host)


def test_the_namespace_of_who_asks_is_in_the_cluster_unless_it_may_be_a_usual_domain() -> None:
    assert is_in_cluster("message-dumper.factory", "factory")
    assert not is_in_cluster("message-dumper.factory", "shop")
    assert not is_in_cluster("a.message-dumper.factory", "factory")
    assert not is_in_cluster("logs.dev", "dev")
    assert not is_in_cluster("logs.io", "io")


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.1", "::1"])
def test_the_same_host_is_known(host: str) -> None:
    assert is_same_host(host)


@given(st.text(max_size=60))
def test_takes_any_text(text: str) -> None:
    for url in (text, f"http://{text}"):
        host = host_of(url)
        assert host is None or host
        assert (scheme_of(url) is None) <= (host is None)
