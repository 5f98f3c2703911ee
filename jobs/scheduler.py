"""APScheduler: ticks inside the serving process. Each job is idempotent, so a second tick does no harm."""

from apscheduler.events import EVENT_SCHEDULER_SHUTDOWN
from apscheduler.schedulers.background import BackgroundScheduler

from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from jobs import file_cleanup, key_cleanup, mail_outbox, review_deadlines, schedules, session_cleanup

MAIL_SECONDS = 5
SCHEDULE_SECONDS = 5

log = get_logger("jobs")


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
    scheduler.add_job(
        lambda: schedules.run(runtime, runtime.clock.now()), "interval", seconds=SCHEDULE_SECONDS, id="schedules"
    )
    _tick_mail(scheduler, runtime)
    scheduler.start()
    return scheduler


def _tick_mail(scheduler: BackgroundScheduler, runtime: Runtime) -> None:
    def send() -> None:
        try:
            mail_outbox.run(runtime, runtime.clock.now())
        except Exception as error:
            log.error("mail.pass_failed", exc_info=error)

    def send_new() -> None:
        while not runtime.mail.may_rest():
            send()

    def wake() -> None:
        # Late or not, it has to run: until it rests, no other mail wakes anybody.
        scheduler.add_job(send_new, id="mail_outbox_new", replace_existing=True, misfire_grace_time=None)

    scheduler.add_job(send, "interval", seconds=MAIL_SECONDS, id="mail_outbox", misfire_grace_time=None)
    scheduler.add_listener(lambda _event: runtime.mail.stop(), EVENT_SCHEDULER_SHUTDOWN)
    runtime.mail.start(wake)
