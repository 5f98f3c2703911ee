"""Where mails go: the port, and what can be wrong with it.

A transport gives sessions. A session is used by one thread for one pass over the outbox, and keeps its
connection from mail to mail.
"""

from contextlib import AbstractContextManager
from email.message import EmailMessage
from typing import Protocol


class SendFailure(Exception):
    """A mail was not taken.

    `reason`: a short code, never the server's words, which may quote the address. `permanent`: trying this mail
    again is of no use. `everywhere`: the trouble is the server's or ours, so no other mail would fare better now.
    """

    def __init__(self, reason: str, *, permanent: bool = False, everywhere: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.permanent, self.everywhere = reason, permanent, everywhere


class MailSession(Protocol):
    """Takes mails one after another."""

    def send(self, mail_id: str, message: EmailMessage) -> None:
        """Hand one mail over, within `SEND_SECONDS`. Raises SendFailure."""
        ...


class MailTransport(Protocol):
    """Gives sessions."""

    def session(self) -> AbstractContextManager[MailSession]:
        """A session; nothing is connected before its first mail."""
        ...
