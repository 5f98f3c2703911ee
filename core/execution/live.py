"""What a run under way tells: the text streamed so far, and how far each `map` is."""

from dataclasses import dataclass, field

from core.execution.domain import MapProgress
from core.execution.queries import events_after
from core.platform.runtime import Runtime

NEWEST_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class LiveNews:
    """By step: the text streamed so far, and how many items are done."""

    texts: dict[str, str] = field(default_factory=dict)
    progress: dict[str, MapProgress] = field(default_factory=dict)


def live_news(runtime: Runtime, run_id: str) -> LiveNews:
    """The news of a run's steps. The caller has checked whose run it is."""
    news = LiveNews()
    for event in events_after(runtime, run_id, 0, limit=NEWEST_EVENTS):
        if event.step_id is None:
            continue
        if event.kind == "token":
            news.texts[event.step_id] = news.texts.get(event.step_id, "") + str(event.data.get("text", ""))
        elif event.kind == "trace_event" and event.data.get("event") == "progress":
            counts = (event.data.get(name) for name in ("done", "count", "failed"))
            news.progress[event.step_id] = MapProgress(*(int(n) if isinstance(n, int) else 0 for n in counts))
    return news
