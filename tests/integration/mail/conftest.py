"""Runtimes that send to a sink, and mails to send."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from tests.support.clock import FixedClock
from tests.support.mail_sink import MailSink, mail_sink

TO = "grace.canary@example.org"
Enqueue = Callable[..., bool]


@pytest.fixture
def sink() -> Iterator[MailSink]:
    """A server without TLS, as a developer's own machine may have one."""
    with mail_sink() as made:
        yield made


@pytest.fixture
def sending(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock, sink: MailSink
) -> Callable[..., Runtime]:
    """Make Runtimes over one database that send to the sink."""

    def make(**values: Any) -> Runtime:
        return runtime_with(clock=clock, **{"smtp_url": sink.url, **database_settings, **values})

    return make


def enqueue(runtime: Runtime, cause: str, **changes: Any) -> bool:
    """Commit one mail of a failed run."""
    values = {
        "pipeline": "Digest",
        "step": "summary",
        "reason": "The canary failed.",
        "run_url": f"{runtime.settings.public_url}/app/run?id=1",
    }
    with runtime.database.write() as session:
        mail = {"kind": "run_failed", "to": TO, "values": values, "cause": cause}
        return enqueue_mail(runtime, session, **{**mail, **changes})
