"""Structured logs: dotted event names, ids only; never a prompt, an output, an address, a key or a token.

The text of an exception may quote anything: a URL with a token, a statement, the input that did not fit. So no text of
one reaches a log, ours or another library's: what is kept is its type, our error code where it has one, and where in
our own code it passed.
"""

import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, TextIO

import structlog

from core.shared.errors import AppError

ROOT = Path(__file__).resolve().parents[2]
ROOMS = frozenset({"core", "pages", "admin", "web", "jobs", "app.py"})
MAX_FRAMES = 12
MAX_CAUSES = 4

_SECRETS = re.compile(r"\?[^\s\"']*|(?<=/review/)[^\s\"'?]+")
_CLIENT = re.compile(r"^\[?[0-9A-Fa-f.:%]+\]?:\d+$")  # an address with its port, as uvicorn writes it


class CleanAccessLog(logging.Filter):
    """Removes from access logs what names a person or lets one in: addresses, query strings, tokens of links."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _SECRETS.sub("", str(record.msg))
        if isinstance(record.args, tuple):
            record.args = tuple(_cleaned(a) if isinstance(a, str) else a for a in record.args)
        return True


class WordlessRecord(logging.LogRecord):
    """A record of the standard library in which exceptions have lost their texts, whoever logs them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.name == "asyncio":
            self.msg = str(self.msg).split("\n", 1)[0]  # the lines after it describe tasks with their results
        if isinstance(self.msg, BaseException):
            self.msg, self.args = error_name(self.msg), None
        if isinstance(self.args, tuple):
            self.args = tuple(_named(value) for value in self.args)
        elif self.args:
            self.args = {name: _named(value) for name, value in self.args.items()}
        error = self.exc_info[1] if self.exc_info else None
        self.exc_info = None
        if error is not None:
            # Formatters print this text as it is, and make none of their own.
            self.exc_text = " ".join(f"{key}={value}" for key, value in describe_error(error).items())


def _cleaned(text: str) -> str:
    return "-" if _CLIENT.match(text) else _SECRETS.sub("", text)


def configure_logging(*, json: bool, stream: TextIO | None = None) -> None:
    """Set up structlog, quiet the access logs, keep the texts of exceptions out of all. Safe to call twice.

    `stream`: where to, instead of stdout. A command's stdout is its answer, which others read.
    """
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            drop_error_texts,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    for name in ("uvicorn.access", "streamlit.web.server", "uvicorn.error"):
        target = logging.getLogger(name)
        if not any(isinstance(known, CleanAccessLog) for known in target.filters):
            target.addFilter(CleanAccessLog())
    logging.setLogRecordFactory(WordlessRecord)
    threading.excepthook = _thread_failed
    sys.unraisablehook = _not_raised


def drop_error_texts(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: every exception in an event becomes its name, `exc_info` also its place."""
    found = event.pop("exc_info", None)
    for key in ("exception", "stack_info", "stack"):
        event.pop(key, None)  # what renderers would print as it is
    for key, value in event.items():
        event[key] = _named(value)
    error = found[1] if isinstance(found, tuple) else sys.exc_info()[1] if found is True else found
    if isinstance(error, BaseException):
        for key, value in describe_error(error).items():
            event.setdefault(key, value)
    return event


def describe_error(error: BaseException) -> dict[str, Any]:
    """What a log may keep of an exception, without a word of its text.

    `error` is its type, `code` our error code, `at` the places in our code it passed (outermost first), `causes` the
    types it was raised from.
    """
    about: dict[str, Any] = {"error": error_name(error)}
    if isinstance(error, AppError):
        about["code"] = error.code
    places = own_frames(error.__traceback__)
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < MAX_CAUSES:
        causes.append(error_name(cause))
        places = places or own_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, BaseExceptionGroup):
        causes += [error_name(member) for member in error.exceptions[:MAX_CAUSES]]
        places = places or own_frames(error.exceptions[0].__traceback__)
    if places:
        about["at"] = places
    if causes:
        about["causes"] = causes
    return about


def error_name(error: BaseException) -> str:
    """The type of an exception with its package: `sqlalchemy.exc.IntegrityError`, `ValueError`."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def own_frames(trace: TracebackType | None) -> list[str]:
    """`file:line function` of the frames in our own code, the innermost ones where there are many."""
    places = []
    for frame, line in walk_tb(trace):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ROOMS:
            places.append(f"{path.relative_to(ROOT)}:{line} {frame.f_code.co_name}")
    return places[-MAX_FRAMES:]


def get_logger(name: str) -> Any:
    """A logger bound to the name of its room."""
    return structlog.get_logger(room=name)


def _named(value: Any) -> Any:
    return error_name(value) if isinstance(value, BaseException) else value


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and not isinstance(failure.exc_value, SystemExit):
        get_logger("threads").error("thread.failed", exc_info=failure.exc_value)


def _not_raised(failure: Any) -> None:
    if failure.exc_value is not None:
        get_logger("interpreter").error("error.not_raised", exc_info=failure.exc_value)
