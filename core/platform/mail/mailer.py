"""The mail part of the Runtime: the sender's name, the transport, and word that something was enqueued."""

from collections.abc import Callable
from email.headerregistry import Address
from threading import Event, Lock

from core.platform.logging import get_logger
from core.platform.mail.domain import default_sender, mail_host, parse_sender, parse_smtp_url
from core.platform.mail.folder import FolderTransport
from core.platform.mail.smtp import SmtpTransport
from core.platform.mail.transports import MailTransport
from core.platform.settings import Settings

log = get_logger("mail")


class Mailer:
    """How this process sends. `transport` None: mails are kept until a server is named."""

    def __init__(self, *, sender: Address, host: str, site_url: str, transport: MailTransport | None) -> None:
        self.sender, self.host, self.site_url, self.transport = sender, host, site_url, transport
        self._lock = Lock()
        self._wake: Callable[[], None] | None = None
        self._awake = self._news = False
        self._stopping = Event()

    def start(self, wake: Callable[[], None]) -> None:
        """Name what is called once mails were committed in this process: it sends until it `may_rest`."""
        if self.transport is None:
            log.warning("mail.no_server", setting="SMTP_URL", mails="kept, not sent")
        self._stopping.clear()
        with self._lock:
            self._wake, self._awake, self._news = wake, False, False

    def enqueued(self) -> None:
        """A mail was committed. Who is awake already finds it, and is not woken again."""
        with self._lock:
            wake = None if self._awake else self._wake
            self._news, self._awake = True, self._awake or wake is not None
        if wake is not None:
            wake()

    def may_rest(self) -> bool:
        """Whether nothing was committed since this was last asked; if so, the next mail wakes again."""
        with self._lock:
            news, self._news = self._news and not self._stopping.is_set(), False
            self._awake = news
            return not news

    def stop(self) -> None:
        """Wake nobody any more, and let a pass under way end after its present mail."""
        self._stopping.set()
        with self._lock:
            self._wake = None

    @property
    def is_stopping(self) -> bool:
        """Whether the process is about to end."""
        return self._stopping.is_set()


def build_mailer(settings: Settings) -> Mailer:
    """The Mailer of these settings. Production without `SMTP_URL` has no transport: mails wait, none is lost."""
    host = mail_host(settings.public_url)
    sender = parse_sender(settings.mail_from) if settings.mail_from else default_sender(host)
    transport: MailTransport | None = None
    if settings.smtp_url:
        server = parse_smtp_url(settings.smtp_url)
        plain_allowed = settings.env == "development" and server.is_loopback
        transport = SmtpTransport(server, local_host=host, plain_allowed=plain_allowed)
    elif settings.env == "development":
        transport = FolderTransport(settings.mail_dir)
    return Mailer(sender=sender, host=host, site_url=settings.public_url, transport=transport)
