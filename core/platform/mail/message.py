"""The message itself (RFC 5322), from the standard library's `EmailMessage`."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from core.platform.mail.rendering import Rendered


def build_message(
    rendered: Rendered, *, mail_id: str, host: str, sender: Address, to: str, language: str, date: datetime
) -> EmailMessage:
    """A message with text and HTML alternatives. The same mail always has the same Message-ID and Date.

    Header injection is impossible twice over: the values are one line, and the policy refuses line breaks.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    local, _, domain = to.rpartition("@")
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(date)
    message["Message-ID"] = f"<{mail_id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in answer
    # Quoted-printable keeps lines short and ASCII: it passes servers without 8BITMIME.
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = language  # last: the parts take what the headers say of content
    return message
