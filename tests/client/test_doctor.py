"""What the doctor says of certificates: seen by a real handshake."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.provider import KEY
from support.tls import TlsFront, make_certificate

from cc_jupyter.commands.doctor import examine
from cc_jupyter.config.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture(autouse=True)
def front(provider, certificate, monkeypatch) -> Iterator[TlsFront]:
    """Return the provider behind TLS with a certificate that nobody trusts."""
    monkeypatch.setenv("CMD_API_KEY", KEY)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with TlsFront(provider.port, certificate) as front:
        monkeypatch.setenv("CMD_BASE_URL", f"https://localhost:{front.port}/provider")
        yield front


def rows(transport):
    told = examine(
        load_settings, in_kernel=True, transport=transport, now=lambda: datetime.now(UTC)
    )
    return {row["check"]: row for row in told}


def test_a_certificate_that_nobody_trusts_fails_and_names_the_remedy(transport):
    told = rows(transport)
    assert told["TLS"]["state"] == told["base URL"]["state"] == "fail"
    assert "could not be verified" in told["TLS"]["found"]
    assert "set SSL_CERT_FILE" in told["TLS"]["what to do"]


def test_a_company_certificate_is_named_by_its_variable(transport, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    told = rows(transport)
    assert told["TLS"]["state"] == told["base URL"]["state"] == "ok"
    assert told["TLS"]["found"] == "the server's certificate is valid, with SSL_CERT_FILE"
