"""No text of an exception reaches a log, whoever raised it and whoever logs it."""

import asyncio
import gc
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import structlog
from pydantic import BaseModel
from sqlalchemy import create_engine, text
from streamlit.error_util import handle_uncaught_app_exception

from core.accounts.domain import check_password
from core.platform.logging import configure_logging
from core.shared.errors import InvalidInput
from core.shared.money import micros_from_credits

CANARY = "canary-5f1d"


class Logs:
    """What both kinds of loggers wrote."""

    def __init__(self) -> None:
        self._lines, self._records = io.StringIO(), io.StringIO()
        self.handler = logging.StreamHandler(self._records)
        self.handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.ours = structlog.wrap_logger(
            structlog.PrintLogger(self._lines), processors=structlog.get_config()["processors"]
        )

    @contextmanager
    def listening(self, name: str) -> Iterator[None]:
        """Hears a logger that may not pass its records on, whatever level a server of another test left it at."""
        logger = logging.getLogger(name)
        level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self.handler)
        yield
        logger.removeHandler(self.handler)
        logger.setLevel(level)

    @property
    def all(self) -> str:
        return self._lines.getvalue() + self._records.getvalue()

    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._lines.getvalue().splitlines()[-1])
        return found


@pytest.fixture
def logs() -> Iterator[Logs]:
    before = logging.getLogRecordFactory(), threading.excepthook, sys.unraisablehook, structlog.get_config()
    configure_logging(json=True)
    made = Logs()
    logging.getLogger().addHandler(made.handler)
    yield made
    logging.getLogger().removeHandler(made.handler)
    logging.setLogRecordFactory(before[0])
    threading.excepthook, sys.unraisablehook = before[1], before[2]
    structlog.configure(**before[3])


class Shape(BaseModel):
    """Something that does not fit."""

    number: int


def _sql() -> None:
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text(f"SELECT '{CANARY}' FROM nowhere"))


def _chained() -> None:
    try:
        micros_from_credits(CANARY)
    except ArithmeticError as error:
        raise RuntimeError(CANARY) from error


def _grouped() -> None:
    raise ExceptionGroup(CANARY, [KeyError(CANARY), ValueError(CANARY)])


FAILURES: dict[str, Callable[[], Any]] = {
    "httpx.UnsupportedProtocol": lambda: httpx.get(f"gopher://{CANARY}/"),
    "httpx.InvalidURL": lambda: httpx.get(f"http://[{CANARY}]/"),
    "pydantic_core._pydantic_core.ValidationError": lambda: Shape.model_validate({"number": CANARY}),
    "sqlalchemy.exc.OperationalError": _sql,
    "json.decoder.JSONDecodeError": lambda: json.loads(CANARY),
    "KeyError": lambda: {}[CANARY],
    "UnicodeDecodeError": lambda: (CANARY.encode() + b"\xff").decode(),
    "RuntimeError": _chained,
    "ExceptionGroup": _grouped,
}


def raised(failing: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as found:
        failing()
    return found.value


@pytest.mark.parametrize("name", FAILURES)
def test_texts_of_exceptions_are_dropped(name: str, logs: Logs) -> None:
    error = raised(FAILURES[name])
    theirs = logging.getLogger("some.library")
    assert CANARY in repr(error) + str(error) + repr(error.__dict__) + str(getattr(error, "doc", ""))
    logs.ours.error("run.crashed", exc_info=error)
    assert logs.last()["error"] == name and logs.last()["event"] == "run.crashed"
    logs.ours.error("run.crashed", exc_info=(type(error), error, error.__traceback__))
    assert logs.last()["error"] == name
    logs.ours.error("run.crashed", reason=error, stack_info=True, exception=str(error))
    assert logs.last()["reason"] == name
    try:
        FAILURES[name]()
    except Exception as again:
        logs.ours.error("run.crashed", exc_info=True)
        assert logs.last()["error"] == name
        theirs.exception("it failed: %s", again)
        theirs.error("it failed: %(why)s", {"why": again}, exc_info=again)
        theirs.error(again, stack_info=False)
    assert logs.all.count(f"it failed: {name}") == 2 and f"error={name}" in logs.all
    assert CANARY not in logs.all


def test_the_place_in_our_own_code_is_kept(logs: Logs) -> None:
    logs.ours.error("run.crashed", exc_info=raised(lambda: micros_from_credits(CANARY)))
    (place,) = logs.last()["at"]
    assert place.startswith("core/shared/money.py:") and place.endswith(" micros_from_credits")
    logs.ours.error("run.crashed", exc_info=raised(FAILURES["RuntimeError"]))
    assert logs.last()["at"] == [place] and logs.last()["causes"] == ["decimal.InvalidOperation"]
    logs.ours.error("run.crashed", exc_info=raised(FAILURES["ExceptionGroup"]))
    assert logs.last()["causes"] == ["KeyError", "ValueError"] and "at" not in logs.last()


def test_our_own_errors_keep_their_code_only(logs: Logs) -> None:
    error = raised(lambda: check_password("short"))
    error.args, error.message, error.context = (CANARY,), CANARY, {"prompt": CANARY}  # type: ignore[attr-defined]
    assert isinstance(error, InvalidInput)
    logs.ours.error("run.crashed", exc_info=error)
    logging.getLogger("some.library").error("it failed", exc_info=error)
    assert logs.last()["code"] == "WEAK_PASSWORD" and logs.last()["at"][0].startswith("core/accounts/domain.py:")
    assert "code=WEAK_PASSWORD" in logs.all and CANARY not in logs.all


def test_what_nobody_catches_is_logged_without_its_text(logs: Logs, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError(CANARY)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    async def forget() -> None:
        async def failing() -> None:
            raise ValueError(CANARY)

        task = asyncio.create_task(failing())
        await asyncio.wait([task])

    asyncio.run(forget())
    gc.collect()

    class Leaky:
        def __del__(self) -> None:
            raise ValueError(CANARY)

    Leaky()
    gc.collect()
    assert "Task exception was never retrieved" in logs.all
    printed = "".join(capsys.readouterr()) + logs.all
    assert "thread.failed" in printed and "error.not_raised" in printed
    assert CANARY not in printed


def test_what_a_page_does_not_catch_is_logged_by_streamlit_without_its_text(
    logs: Logs, capfd: pytest.CaptureFixture[str]
) -> None:
    with logs.listening("streamlit.error_util"):
        handle_uncaught_app_exception(raised(FAILURES["RuntimeError"]))
    printed = "".join(capfd.readouterr()) + logs.all
    assert "Uncaught app execution" in printed and "core/shared/money.py:" in printed
    assert CANARY not in printed


def test_query_strings_stay_out_of_access_logs(logs: Logs) -> None:
    with logs.listening("uvicorn.error"):
        logging.getLogger("uvicorn.error").warning('"GET %s" 200', f"/setup?token={CANARY}")
    assert '"GET /setup" 200' in logs.all and CANARY not in logs.all


@pytest.mark.usefixtures("logs")
def test_what_a_command_logs_is_beside_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=False, stream=sys.stderr)
    structlog.get_logger().warning("something.slow")
    printed = capsys.readouterr()
    assert (printed.out, "something.slow" in printed.err) == ("", True)
