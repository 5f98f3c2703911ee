"""APScheduler: ticks inside the serving process. Each job is idempotent, so a second tick does no harm."""

from apscheduler.schedulers.background import BackgroundScheduler

from core.platform.runtime import Runtime
from jobs import file_cleanup, key_cleanup, review_deadlines, session_cleanup


def start_scheduler(runtime: Runtime) -> BackgroundScheduler:
    """Start the ticking."""
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    scheduler.add_job(
        lambda: session_cleanup.run(runtime, runtime.clock.now()), "interval", hours=1, id="session_cleanup"
    )
    scheduler.add_job(lambda: file_cleanup.run(runtime, runtime.clock.now()), "interval", hours=1, id="file_cleanup")
    scheduler.add_job(lambda: key_cleanup.run(runtime, runtime.clock.now()), "interval", hours=1, id="key_cleanup")
    scheduler.add_job(
        lambda: review_deadlines.run(runtime, runtime.clock.now()), "interval", minutes=1, id="review_deadlines"
    )
    scheduler.start()
    return scheduler
