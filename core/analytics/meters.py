"""Counts of one process since it began, for who operates it: the same events, exact, and of no person.

Labels are words of declared sets; whatever else comes is `other`. Each runtime has a registry of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.process_collector import ProcessCollector

from core.analytics.catalogue import STATUSES

OTHER = "other"
METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
FACES = ("app", "api", "auth", "site")
_FACES = frozenset(FACES)
ANSWERS = frozenset(("2xx", "3xx", "4xx", "5xx"))
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LONG = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Seconds: of answers and pages, and of steps, which may take 300."""


class Meters:
    """What this process counted. `providers` and `kinds`: the words that those labels may be."""

    def __init__(self, providers: frozenset[str], kinds: frozenset[str]) -> None:
        self.registry = CollectorRegistry()
        self._providers, self._kinds, self._statuses = providers, kinds, frozenset(STATUSES)
        ProcessCollector(registry=self.registry)
        made: Mapping[str, Any] = {"registry": self.registry}
        self._runs = Counter("stepiq_runs_ended", "Runs that came to an end, by how.", ["status"], **made)
        self._credits = Counter("stepiq_credits_spent", "Credits that ended runs spent.", **made)
        self._steps = Histogram("stepiq_step_duration_seconds", "How long steps took.", ["type"], buckets=LONG, **made)
        self._step_ends = Counter("stepiq_steps_ended", "Steps that came to an end.", ["type", "status"], **made)
        self._calls = Counter("stepiq_model_calls", "Steps that called a model.", ["provider", "status"], **made)
        self._tokens = Counter("stepiq_model_tokens", "Tokens in and out of models.", ["provider"], **made)
        self._pages = Histogram("stepiq_page_script_seconds", "How long pages took.", buckets=QUICK, **made)
        self._errors = Counter("stepiq_errors_told", "Errors that people were told of.", ["surface"], **made)
        self._requests = Counter(
            "stepiq_http_requests", "Requests, by route and class of answer.", ["method", "route", "answer"], **made
        )
        self._seconds = Histogram(
            "stepiq_http_request_seconds", "Time to the first byte.", ["route"], buckets=QUICK, **made
        )
        self._children: dict[tuple[Any, tuple[str, ...]], Any] = {}
        """As many as there are words for labels."""
        self._known: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "run.ended": self._run,
            "step.ended": self._step,
            "page.viewed": self._page,
            "error.met": self._error,
        }

    def note(self, event: str, fields: Mapping[str, Any]) -> None:
        """Count an event, as it was emitted."""
        count = self._known.get(event)
        if count is not None:
            count(fields)

    def answered(self, method: str, route: str, answer: str, seconds: float) -> None:
        """Count a request. `route` is one that is declared, without ids, or the face it went to."""
        method = method if method in METHODS else OTHER
        self._of(self._requests, method, route, answer if answer in ANSWERS else OTHER).inc()
        self._of(self._seconds, route).observe(seconds)

    def _run(self, fields: Mapping[str, Any]) -> None:
        self._of(self._runs, _known(fields.get("status"), self._statuses)).inc()
        self._credits.inc(max(0.0, float(fields.get("millicredits") or 0) / 1000))

    def _step(self, fields: Mapping[str, Any]) -> None:
        kind, status = _known(fields.get("step_type"), self._kinds), _known(fields.get("status"), self._statuses)
        self._of(self._step_ends, kind, status).inc()
        self._of(self._steps, kind).observe(float(fields.get("duration_ms") or 0) / 1000)
        if fields.get("provider") is not None:
            provider = _known(fields["provider"], self._providers)
            self._of(self._calls, provider, status).inc()
            self._of(self._tokens, provider).inc(max(0, int(fields.get("tokens") or 0)))

    def _page(self, fields: Mapping[str, Any]) -> None:
        self._pages.observe(float(fields.get("duration_ms") or 0) / 1000)

    def _error(self, fields: Mapping[str, Any]) -> None:
        self._of(self._errors, _known(fields.get("surface"), _FACES)).inc()

    def _of(self, meter: Any, *labels: str) -> Any:
        """A meter under its labels, remembered: to find it costs as much again as to count."""
        child = self._children.get((meter, labels))
        if child is None:
            child = self._children[meter, labels] = meter.labels(*labels)
        return child


def _known(value: object, words: frozenset[str]) -> str:
    return value if isinstance(value, str) and value in words else OTHER
