"""The mails of an installation as people get them: sent for real, into the folder of development."""

import re

from core.platform.mail.domain import FiledMail
from core.platform.mail.queries import list_filed_mails
from core.platform.runtime import Runtime
from jobs import mail_outbox


def letters_to(runtime: Runtime, address: str) -> list[FiledMail]:
    """Send what waits; every mail to an address so far, oldest first."""
    mail_outbox.run(runtime, runtime.clock.now())
    mails = [mail for mail in list_filed_mails(runtime, limit=1000) if mail.to == address]
    return sorted(mails, key=lambda mail: mail.id)


def last_letter(runtime: Runtime, address: str) -> FiledMail:
    """The newest mail to an address."""
    mails = letters_to(runtime, address)
    assert mails, f"{len(list_filed_mails(runtime))} mails, none to this address"
    return mails[-1]


def code_in(mail: FiledMail) -> str:
    """The six digits of a mail."""
    found = re.search(r"^\s+(\d{6})\s*$", mail.text, re.M)
    assert found is not None, mail.text
    return found[1]


def token_in(mail: FiledMail, path: str) -> str:
    """The token of the link to a path."""
    found = re.search(re.escape(path) + r"\?(?:token|invitation)=([\w-]+)", mail.text)
    assert found is not None, mail.text
    return found[1]
