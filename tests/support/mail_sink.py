"""A real SMTP server for tests, on a free port of loopback, that keeps what it takes and refuses what it is told to."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.server import free_port

OK = "250 taken"


@dataclass
class Received:
    """A mail as the server took it."""

    message: EmailMessage
    to: list[str]
    encrypted: bool
    user: str | None


@dataclass
class MailSink:
    """Answers with what is queued in `recipient_answers` and `data_answers`, then with 250.

    `on_data` is called, in a thread, once a whole mail is there and before it is answered. `meet`: the first so many
    mails are answered only when all of them are there at the same time.
    """

    url: str
    recipient_answers: deque[str] = field(default_factory=deque)
    data_answers: deque[str] = field(default_factory=deque)
    on_data: Callable[[], None] | None = None
    meet: int = 1
    received: list[Received] = field(default_factory=list)
    sign_ins: list[str] = field(default_factory=list)
    _arrived: int = 0
    _met: asyncio.Event | None = None

    @property
    def ids(self) -> list[str]:
        """Message-IDs in the order they came."""
        return [str(mail.message["Message-ID"]) for mail in self.received]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Take or refuse a recipient."""
        answer = self.recipient_answers.popleft() if self.recipient_answers else OK
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take or refuse a mail."""
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        user = session.auth_data.login.decode() if session.auth_data else None
        encrypted = session.ssl is not None or isinstance(server.transport.get_extra_info("sslcontext"), ssl.SSLContext)
        self._met = self._met or asyncio.Event()
        self._arrived += 1
        if self._arrived >= self.meet:
            self._met.set()
        await asyncio.wait_for(self._met.wait(), 20)
        answer = self.data_answers.popleft() if self.data_answers else OK
        if self.on_data is not None:
            await asyncio.to_thread(self.on_data)
        self.received.append(Received(message, list(envelope.rcpt_tos), encrypted, user))
        return answer


@contextmanager
def mail_sink(
    *,
    starttls: ssl.SSLContext | None = None,
    implicit: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
    utf8: bool = True,
    port: int | None = None,
) -> Iterator[MailSink]:
    """Serve until the block ends. With `login` nobody may send without it."""
    port = port or free_port()
    sink = MailSink(f"{'smtps' if implicit else 'smtp'}://127.0.0.1:{port}")

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        sink.sign_ins.append(mechanism)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == login, handled=False, auth_data=data)

    controller = Controller(
        sink,
        hostname="127.0.0.1",
        port=port,
        ssl_context=implicit,
        tls_context=starttls,
        authenticator=check if login else None,
        auth_required=login is not None,
        auth_require_tls=starttls is not None,
        auth_exclude_mechanism=() if login else ("LOGIN", "PLAIN"),
        enable_SMTPUTF8=utf8,
    )
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()


def make_certificate(folder: Path, *, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate of our own for an address or name: the server's context, and one of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        subject: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stepIQ tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem, secret)
    return server, ssl.create_default_context(cafile=str(pem))
