"""NO_PROXY in all the forms that people write, and the addresses of proxies."""

from __future__ import annotations

import sys

import pytest

from cc_jupyter.client.proxy import Route, find_proxy, is_excepted, open_transport, split_proxy
from cc_jupyter.core.errors import ConfigError

EXCEPTED = [
    # the list, the origins it excepts, and those it does not
    ("*", ["a.com", "10.0.0.1", "::1"], []),
    ("example.com", ["example.com", "api.example.com", "EXAMPLE.COM"], ["badexample.com", "com"]),
    (".example.com", ["example.com", "api.example.com"], ["badexample.com"]),
    ("*.example.com", ["example.com", "a.b.example.com"], ["badexample.com", "example.org"]),
    ("Example.COM.", ["example.com", "api.example.com."], ["example.org"]),
    ("com", ["example.com"], ["example.org"]),
    ("a.com,b.com", ["a.com", "b.com"], ["c.com", "a.com,b.com"]),
    ("a.com, b.com", ["a.com", "b.com"], ["c.com"]),
    ("a.com b.com\tc.com", ["a.com", "b.com", "c.com"], ["d.com"]),
    (" ,, a.com ,", ["a.com"], ["b.com"]),
    ("example.com:443", ["example.com", "api.example.com"], ["example.com:8443", "a.com"]),
    ("example.com:8443", ["example.com:8443"], ["example.com", "example.com:443"]),
    (".example.com:443", ["api.example.com"], ["api.example.com:8443"]),
    ("*:8443", ["a.com:8443"], ["a.com"]),
    ("10.1.2.3", ["10.1.2.3", "10.1.2.3:8443"], ["10.1.2.4", "110.1.2.3"]),
    ("10.1.2.3:443", ["10.1.2.3"], ["10.1.2.3:8443"]),
    ("10.0.0.0/8", ["10.0.0.1", "10.255.255.255"], ["11.0.0.1", "10.example.com"]),
    ("10.1.2.3/8", ["10.9.9.9"], ["11.1.2.3"]),
    ("192.168.0.0/255.255.0.0", ["192.168.9.9"], ["192.169.0.1"]),
    ("2001:db8::1", ["[2001:db8::1]", "[2001:DB8:0::1]:8443"], ["[2001:db8::2]"]),
    ("[2001:db8::1]", ["[2001:db8::1]"], ["[2001:db8::2]"]),
    ("[2001:db8::1]:443", ["[2001:db8::1]"], ["[2001:db8::1]:8443"]),
    ("2001:db8::/32", ["[2001:db8::1]", "[2001:db8:9::9]"], ["[2001:db9::1]", "10.0.0.1"]),
    ("[2001:db8::]/32", ["[2001:db8::1]"], ["[2001:db9::1]"]),
    ("fe80::1", ["[fe80::1]"], ["[fe80::2]"]),
    ("", [], ["example.com"]),
    (".", [], ["example.com"]),
    ("*.", [], ["example.com"]),
    ("10.0.0.0/99", [], ["10.0.0.1"]),
    ("nonsense/8", [], ["nonsense", "10.0.0.1"]),
    ("10.0.0.1/8/8", [], ["10.0.0.1"]),
    ("http://example.com", [], ["example.org"]),
]


@pytest.mark.parametrize(("no_proxy", "excepted", "others"), EXCEPTED)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_every_form_of_no_proxy_is_understood(variable, no_proxy, excepted, others, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    monkeypatch.setenv(variable, no_proxy)
    for host in excepted:
        if host != "::1":
            assert find_proxy(f"https://{host}") is None, host
    for host in others:
        if "," not in host:
            assert find_proxy(f"https://{host}") == "http://proxy.test:3128", host


def test_a_list_of_any_length_is_read_in_linear_time():
    assert not is_excepted("example.com", 443, ",".join(["a" * 50] * 50_000))


@pytest.mark.parametrize(
    ("proxy", "scheme", "host", "port"),
    [
        ("proxy.test:3128", "http", "proxy.test", 3128),
        ("http://proxy.test", "http", "proxy.test", None),
        ("HTTP://proxy.test/", "http", "proxy.test", None),
        ("https://name:word@proxy.test:8443", "https", "proxy.test", 8443),
        ("socks5h://[::1]:1080", "socks5h", "::1", 1080),
        ("name:w%40rd@proxy.test:1", "http", "proxy.test", 1),
    ],
)
def test_an_address_is_split(proxy, scheme, host, port):
    parts = split_proxy(proxy)
    assert (parts.scheme, parts.hostname, parts.port) == (scheme, host, port)


def test_a_proxy_of_socks_without_its_package_is_one_line_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(ConfigError) as error:
        open_transport(Route("https://api.example.com", "socks5://proxy.test:1080", ("", "", 0)))
    assert str(error.value) == (
        "the proxy from the environment cannot be used:"
        " SOCKS needs the package socksio (pip install 'cc-jupyter[socks]')"
    )
