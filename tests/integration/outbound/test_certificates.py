"""Over TLS the certificate is checked against the name, whatever address was connected to."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.platform.outbound import Outbound, OutboundFailed, OutboundRequest
from tests.integration.outbound.conftest import Names
from tests.support.http_peer import HttpPeer


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for shop.example, signed by itself; the key is in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "shop.pem"
    file.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return file


async def test_name_and_certificate_belong_together(
    certificate: Path, outbound_with: Callable[..., Outbound], names: Names
) -> None:
    asked: list[str | None] = []
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate)
    served.sni_callback = lambda _, name, __: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with HttpPeer(tls=served) as peer:
        names.point("shop.example", ("127.0.0.1",))
        names.point("other.example", ("127.0.0.1",))
        outbound = outbound_with("shop.example,other.example", ssl_context=trusting)
        answer = await outbound.send(OutboundRequest("GET", f"https://shop.example:{peer.port}/"))
        assert (answer.status, asked) == (200, ["shop.example"])
        assert peer.requests[0].headers["host"] == f"shop.example:{peer.port}"
        for reached, client in (("other.example", outbound), ("shop.example", outbound_with("shop.example"))):
            with pytest.raises(OutboundFailed, match="certificate") as failed:
                await client.send(OutboundRequest("GET", f"https://{reached}:{peer.port}/"))
            assert not failed.value.retryable
        assert len(peer.requests) == 1
