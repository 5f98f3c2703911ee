"""Structured logs: dotted event names, ids only; never a prompt, an output, an address, a key or a token."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRETS = re.compile(r"\?[^\s\"']*|(?<=/review/)[^\s\"'?]+")


class DropQueryStrings(logging.Filter):
    """Removes query strings, and the token of a review's link, from access logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _SECRETS.sub("", str(record.msg))
        if isinstance(record.args, tuple):
            record.args = tuple(_SECRETS.sub("", a) if isinstance(a, str) else a for a in record.args)
        return True


def configure_logging(*, json: bool) -> None:
    """Set up structlog and quiet the access logs. Safe to call twice."""
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_error_names,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    for name in ("uvicorn.access", "streamlit.web.server", "uvicorn.error"):
        target = logging.getLogger(name)
        if not any(isinstance(known, DropQueryStrings) for known in target.filters):
            target.addFilter(DropQueryStrings())


def _only_error_names(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # An exception's text may quote content: the log keeps its type and where it was raised.
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            event["at"] = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
    return event


def get_logger(name: str) -> Any:
    """A logger bound to the name of its room."""
    return structlog.get_logger(room=name)
