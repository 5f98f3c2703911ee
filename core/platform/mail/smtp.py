"""The SMTP transport (RFC 5321, submission RFC 6409) over `SMTP_URL`.

Certificates are verified, always. Without TLS nothing is sent, except in development to a server on this machine.
"""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTPUTF8
from threading import Timer
from time import monotonic

from core.platform.mail.domain import SmtpServer
from core.platform.mail.transports import SendFailure

CONNECT_SECONDS = 10.0
SEND_SECONDS = 60.0  # for one mail, connecting included; the lease of a mail is longer
PERMANENT = 500
TOO_LARGE = 552  # the one refusal of a sender that is about the mail: its declared size
CLOSING = 421


class SmtpTransport:
    """Sends over one SMTP server."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        local_host: str,
        plain_allowed: bool,
        tls: ssl.SSLContext | None = None,
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        """`local_host` is how we greet. `plain_allowed`: go on without TLS where the server offers none."""
        self.server, self.local_host, self.plain_allowed = server, local_host, plain_allowed
        self.tls = tls or ssl.create_default_context()
        self.send_seconds = send_seconds

    @contextmanager
    def session(self) -> Iterator["SmtpSession"]:
        """One connection, opened with the first mail."""
        session = SmtpSession(self)
        try:
            yield session
        finally:
            session.close()


class SmtpSession:
    """A connection that is kept from mail to mail."""

    def __init__(self, transport: SmtpTransport) -> None:
        self._transport = transport
        self._connection: smtplib.SMTP | None = None

    def send(self, mail_id: str, message: EmailMessage) -> None:
        """Hand one mail over. Raises SendFailure."""
        end = monotonic() + self._transport.send_seconds
        connection = self._connection = self._connection or self._connect(end)
        try:
            with _cut_at(connection, end):
                _hand_over(connection, message)
        except (smtplib.SMTPException, OSError) as error:
            # From None: the exceptions of smtplib hold the address and the server's words.
            raise _sending_failure(error) from None

    def close(self) -> None:
        """Take leave of the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(smtplib.SMTPException, OSError), _cut_at(connection, monotonic() + CONNECT_SECONDS):
                connection.quit()
            connection.close()

    def _connect(self, end: float) -> smtplib.SMTP:
        transport, server = self._transport, self._transport.server
        connection: smtplib.SMTP | None = None
        try:
            if server.implicit_tls:
                connection = smtplib.SMTP_SSL(
                    server.host, server.port, transport.local_host, timeout=CONNECT_SECONDS, context=transport.tls
                )
            else:
                connection = smtplib.SMTP(server.host, server.port, transport.local_host, timeout=CONNECT_SECONDS)
            with _cut_at(connection, end):
                self._secure(connection)
        except (smtplib.SMTPException, OSError) as error:
            if connection is not None:
                connection.close()
            raise _connecting_failure(error) from None
        except SendFailure:
            if connection is not None:
                connection.close()
            raise
        return connection

    def _secure(self, connection: smtplib.SMTP) -> None:
        transport, server = self._transport, self._transport.server
        connection.ehlo_or_helo_if_needed()
        if not server.implicit_tls:
            if connection.has_extn("starttls"):
                connection.starttls(context=transport.tls)
            elif not transport.plain_allowed:
                raise SendFailure("tls_not_offered", everywhere=True)
        if server.user:
            connection.login(server.user, server.password)


def _hand_over(connection: smtplib.SMTP, message: EmailMessage) -> None:
    # Not smtplib's send_message, which writes `>From` where a line of the text begins with `From`.
    sender, recipient = (message[name].addresses[0].addr_spec for name in ("From", "To"))
    if (sender + recipient).isascii():
        connection.sendmail(sender, [recipient], message.as_bytes())
        return
    connection.ehlo_or_helo_if_needed()
    if not connection.has_extn("smtputf8"):
        raise smtplib.SMTPNotSupportedError
    connection.sendmail(sender, [recipient], message.as_bytes(policy=SMTPUTF8), ["SMTPUTF8", "BODY=8BITMIME"])


@contextmanager
def _cut_at(connection: smtplib.SMTP, end: float) -> Iterator[None]:
    """Shut the connection down at a moment: a server that drips single bytes outlasts a time-out between them."""
    left = end - monotonic()
    if left <= 0:
        raise TimeoutError
    timer = Timer(left, _shut, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connection: smtplib.SMTP) -> None:
    with suppress(OSError):
        if connection.sock is not None:
            # Not SSLSocket.shutdown, which forgets the encryption while the other thread reads.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _connecting_failure(error: Exception) -> SendFailure:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = "certificate_refused"
    elif isinstance(error, ssl.SSLError):
        reason = "tls_failed"
    elif isinstance(error, smtplib.SMTPAuthenticationError):
        reason = "sign_in_refused"
    elif isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        # smtplib's login says with its bare base class that no mechanism of the server is known.
        reason = "sign_in_not_offered"
    elif isinstance(error, smtplib.SMTPResponseException):
        reason = f"connect_{error.smtp_code}"
    else:
        reason = "unreachable"
    # Wrong credentials, too, are the installation's to mend: the mails wait for it.
    return SendFailure(reason, everywhere=True)


def _sending_failure(error: Exception) -> SendFailure:
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return SendFailure("address_not_supported", permanent=True)  # SMTPUTF8, RFC 6531
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = next(iter(error.recipients.values()))[0]
    elif isinstance(error, smtplib.SMTPResponseException):
        code = error.smtp_code
    else:
        return SendFailure("connection_lost", everywhere=True)
    if isinstance(error, smtplib.SMTPSenderRefused) and code not in (TOO_LARGE, CLOSING):
        return SendFailure(f"sender_{code}", everywhere=True)
    return SendFailure(f"smtp_{code}", permanent=code >= PERMANENT, everywhere=code == CLOSING)
