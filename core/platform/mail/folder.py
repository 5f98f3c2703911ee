"""The transport of development: mails land in the data folder, one `.eml` file each, and are read from there."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path

from core.platform.mail.domain import FiledMail

NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class FolderTransport:
    """Files mails; nothing leaves the machine. Its own session, since there is nothing to open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def session(self) -> Iterator["FolderTransport"]:
        """Itself."""
        yield self

    def send(self, mail_id: str, message: EmailMessage) -> None:
        """Write `<id>.eml`, readable by its owner only. A repeated mail replaces its file."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{mail_id}.eml"
        unfinished = path.with_suffix(".part")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(message.as_bytes(policy=SMTPUTF8))  # addresses that are not ASCII stay readable
        unfinished.replace(path)


def filed_mails(folder: Path, *, limit: int) -> tuple[FiledMail, ...]:
    """The newest filed mails: their ids sort by time."""
    names = sorted((path for path in folder.glob("*.eml") if NAME.fullmatch(path.stem)), reverse=True)
    return tuple(found for path in names[:limit] if (found := _read(path)))


def filed_mail(folder: Path, mail_id: str) -> FiledMail | None:
    """One filed mail; None where there is none, or the id is none."""
    return _read(folder / f"{mail_id}.eml") if NAME.fullmatch(mail_id) else None


def delete_filed(folder: Path, mail_ids: frozenset[str], address: str | None) -> None:
    """Delete the files of these mails, unfinished ones too, and every file to an address (case-folded)."""
    for path in folder.glob("*"):
        mail = _read(path) if address and path.stem not in mail_ids else None
        if path.stem in mail_ids or (mail is not None and mail.to.casefold() == address):
            path.unlink(missing_ok=True)


def delete_older(folder: Path, before: datetime) -> int:
    """Delete the files that were written before a moment; returns how many."""
    deleted = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):  # another process does the same
            if path.suffix in (".eml", ".part") and datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                path.unlink()
                deleted += 1
    return deleted


def _read(path: Path) -> FiledMail | None:
    try:
        message = message_from_bytes(path.read_bytes(), policy=SMTPUTF8)
    except FileNotFoundError:
        return None
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    date = message["Date"].datetime if message["Date"] else datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return FiledMail(
        id=path.stem,
        to=", ".join(address.addr_spec for address in message["To"].addresses) if message["To"] else "",
        sender=str(message["From"] or ""),
        subject=str(message["Subject"] or ""),
        date=date,
        text=text.get_content() if text else "",
        html=html.get_content() if html else "",
    )
