"""Every job of the installation: its name, its sentence for people, how often, and what it runs."""

from datetime import datetime, timedelta

from core.credits.payments.events import has_waiting_events
from core.credits.queries import has_due_months, has_due_plans
from core.execution.automation import has_unplanned_schedules
from core.execution.reviews import has_due_reviews
from core.execution.schedules import has_due_schedules
from core.platform.jobs.domain import Job
from core.platform.mail.commands import has_due
from core.platform.runtime import Runtime
from core.privacy.advance import due_requests
from core.privacy.checks.queries import checks_due
from core.privacy.erasure.releasing import has_ended_holds
from core.privacy.policies.notices import has_notices
from jobs import (
    analytics_facts,
    analytics_flush,
    audit_mark,
    egress_totals,
    file_cleanup,
    job_history,
    key_cleanup,
    legal_holds,
    mail_outbox,
    monthly_grants,
    payment_check,
    payment_events,
    plan_changes,
    policy_notices,
    privacy_clocks,
    privacy_requests,
    promise_checks,
    retention,
    review_deadlines,
    schedules,
    session_cleanup,
    unusual_spend,
)

OFTEN = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)
TEN_MINUTES = timedelta(minutes=10)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def has_mail(runtime: Runtime, _now: datetime) -> bool:
    """Whether the outbox has something to do; it looks at the clock by itself."""
    return has_due(runtime)


def has_plan_work(runtime: Runtime, now: datetime) -> bool:
    """Whether the day of a plan has come, or schedules are awake that their owner's plan has no more."""
    return has_due_plans(runtime, now) or has_unplanned_schedules(runtime, now)


def has_requests(runtime: Runtime, _now: datetime) -> bool:
    """Whether a request of a person's can go on."""
    return bool(due_requests(runtime, limit=1))


JOBS = (
    Job("schedules", "Starts the runs that schedules are due for.", OFTEN, schedules.run, has_due_schedules),
    Job("mail_outbox", "Sends the mails whose time has come.", OFTEN, mail_outbox.run, has_mail),
    Job("privacy_requests", "Carries out what people asked for by right.", OFTEN, privacy_requests.run, has_requests),
    Job("privacy_clocks", "Reminds of requests before they are due.", HOUR, privacy_clocks.run),
    Job("review_deadlines", "Answers reviews whose time is over.", MINUTE, review_deadlines.run, has_due_reviews),
    Job("plan_changes", "Changes the plans that were announced for today.", MINUTE, plan_changes.run, has_plan_work),
    Job("monthly_grants", "Grants the credits of months that begin.", TEN_MINUTES, monthly_grants.run, has_due_months),
    Job("unusual_spend", "Tells people who spend far more than usual.", HOUR, unusual_spend.run),
    Job("payment_events", "Finishes payments and refunds.", MINUTE, payment_events.run, has_waiting_events),
    Job("payment_check", "Compares every subscription with Stripe.", DAY, payment_check.run),
    Job("policy_notices", "Tells people about changes of policies.", MINUTE, policy_notices.run, has_notices),
    Job("promise_checks", "Checks what the privacy policy promises.", TEN_MINUTES, promise_checks.run, checks_due),
    Job("session_cleanup", "Deletes sign-ins, codes, links and invitations once they end.", HOUR, session_cleanup.run),
    Job("analytics_flush", "Moves anonymous events to the lake.", TEN_MINUTES, analytics_flush.run),
    Job("analytics_facts", "Makes the figures of the last days that dashboards show.", HOUR, analytics_facts.run),
    Job("egress_totals", "Adds up what left to whom, where there is much of it.", HOUR, egress_totals.run),
    Job("retention", "Deletes runs, files and mails that are older than their plan keeps them.", DAY, retention.run),
    Job("legal_holds", "Destroys what was kept for legal holds that ended.", MINUTE, legal_holds.run, has_ended_holds),
    Job("file_cleanup", "Deletes copies of data that were fetched, and remains of crashes.", HOUR, file_cleanup.run),
    Job("key_cleanup", "Deletes keyed hashes that no longer count, of requests and of tries.", HOUR, key_cleanup.run),
    Job("audit_mark", "Writes down where the audit log ends, so that a cut shows.", DAY, audit_mark.run),
    Job("job_history", "Deletes what is listed here after 30 days.", DAY, job_history.run),
)  # fmt: skip
