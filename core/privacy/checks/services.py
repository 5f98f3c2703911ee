"""P05 to P11, P22, P25, P26, P27: what the installation does, and what it says of itself."""

from datetime import timedelta
from statistics import median

from sqlalchemy import func, select

from core.accounts.queries import people_made_before
from core.analytics.posthog_message import drops_canary
from core.analytics.posthog_sink import WireRecord
from core.credits.alerts import alerts_missing
from core.credits.queries import verify_ledger
from core.execution.recipients import check_recipients
from core.platform.mail.queries import outbox_figures
from core.platform.privacy_settings import POSTHOG_EU
from core.platform.runtime import Runtime
from core.privacy.checks.finding import Finding, broken, counted, kept, unknown
from core.privacy.domain import OPEN
from core.privacy.inventory import find_table, tables
from core.privacy.models import PrivacyRequestRow
from core.privacy.policies.models import PolicyNoticeRow
from core.privacy.policies.queries import all_versions
from core.privacy.policies.tables import declared, recipients
from core.privacy.regions import is_european
from core.privacy.terms_check import check_terms, enabled_providers
from core.privacy.wording import BASES
from core.shared.personal_data.samples import FOUND, NOTHING, failed_samples

TERMS_PROBLEMS = {
    "undated": "nobody says when they were read",
    "old": "read too long ago",
    "no_link": "no page of terms",
    "no_safeguard": "no safeguard outside the EEA",
}
WEEK = timedelta(days=7)
CARD_WORDS = ("card_number", "cardnumber", "pan", "cvc", "cvv", "card_expiry", "iban")
"""Names of columns that would hold a number to pay with."""
YEAR = timedelta(days=365)


def posthog(runtime: Runtime) -> Finding:
    """P05: measurements can go only to PostHog's European region, and what this process sent held what is declared."""
    settings, sink = runtime.settings, runtime.events.sink
    if not settings.posthog_api_key:
        return kept("No key for PostHog is set: nothing is sent there.", hosts=0)
    went = sink.record if sink is not None else WireRecord(settings.posthog)
    figures = {
        "hosts": 1,
        "sent": went.sent,
        "not_sent": went.failed + went.left_out,
        "undeclared": len(went.undeclared),
        "canary_dropped": int(drops_canary()),
    }
    if settings.analytics_problems(development=settings.env == "development"):
        return broken("Measurements are set to go to an address that is not PostHog's in the EU.", **figures)
    if went.undeclared or not figures["canary_dropped"]:
        return broken("What is sent to PostHog can hold something that is not declared.", **figures)
    if settings.posthog not in POSTHOG_EU:
        return unknown("Measurements go to a stand-in on this machine.", **figures)
    return kept("Measurements go to PostHog in the European Union, about nobody.", **figures)


def card_numbers(runtime: Runtime) -> Finding:
    """P06: no table has a place for a card number, and payment is made on the provider's pages."""
    columns = [column for entry in tables() for column in find_table(entry.name).c.keys()]  # noqa: SIM118  # no mapping
    places = sum(name.lower() in CARD_WORDS for name in columns)
    if places:
        return broken(f"{counted(places, 'column')} could hold a card number.", columns=len(columns), places=places)
    where = "payment is made on Stripe's pages" if runtime.payments else "nothing is sold here"
    return kept(f"None of {len(columns):,} columns can hold a card number; {where}.", columns=len(columns), places=0)


def provider_terms(runtime: Runtime) -> Finding:
    """P08: every provider that is switched on has terms with a link, read within the last 180 days."""
    enabled, missing = enabled_providers(runtime), check_terms(runtime)
    today = runtime.clock.now().date()
    oldest = max((age for each in enabled if (age := each.terms.age(today)) is not None), default=0)
    problems = {name: sum(each.problem == name for each in missing) for name in TERMS_PROBLEMS}
    figures = {"providers": len(enabled), "oldest_days": oldest, **problems}
    if missing:
        told = ", ".join(f"{TERMS_PROBLEMS[name]}: {number}" for name, number in problems.items() if number)
        return broken(f"Of {counted(len(enabled), 'provider')} in use something is missing. {told}.", **figures)
    if not enabled:
        return kept("No provider is switched on: only the demo model runs, on this server.", **figures)
    return kept(f"{counted(len(enabled), 'provider')}, terms read {counted(oldest, 'day')} ago at most.", **figures)


def departures(runtime: Runtime) -> Finding:
    """P07: whatever left in the last week went to somebody that the executed version names."""
    now = runtime.clock.now()
    looked_at = untold = beyond = 0
    for batch in check_recipients(runtime, now - WEEK, now):
        looked_at, untold, beyond = looked_at + batch.rows, untold + batch.untold, beyond + len(batch.unnamed)
    figures = {"departures": looked_at, "run_gone": untold, "not_named": beyond}
    if beyond:
        return broken(
            f"{counted(beyond, 'departure')} of the last week to somebody the pipeline does not name.", **figures
        )
    return kept(
        f"{counted(looked_at, 'departure')} in the last week, each to whom the executed version names.", **figures
    )


def sensitive_data(_runtime: Runtime) -> Finding:
    """P09: what looks for personal data finds the known samples, and finds nothing where there is nothing."""
    samples, wrong = len(FOUND) + len(NOTHING), len(failed_samples())
    if wrong:
        return broken(f"Looking for personal data goes wrong {counted(wrong, 'time')}.", samples=samples, wrong=wrong)
    return kept(f"{counted(samples, 'known sample')}, each told rightly.", samples=samples, wrong=0)


def books(runtime: Runtime) -> Finding:
    """P10: every movement sums to zero, balances are the sums of their entries, none is negative, chains hold."""
    proof = verify_ledger(runtime)
    figures = {"movements": proof.transactions, "accounts": proof.owners, "problems": len(proof.problems)}
    if proof.problems:
        return broken(f"{counted(len(proof.problems), 'problem')} in the books.", **figures)
    all_of_them = counted(proof.transactions, "movement")
    return kept(
        f"{all_of_them} of {counted(proof.owners, 'account')} checked: sums, balances and chains hold.", **figures
    )


def mails(runtime: Runtime) -> Finding:
    """P11: no mail waits for more than an hour, and who used a share of their credits that is told was told."""
    found = outbox_figures(runtime)
    due, missing = alerts_missing(runtime)
    figures = {
        "late": found.queued_over_an_hour,
        "sent": found.sent,
        "failed": found.failed,
        "alerts_due": due,
        "alerts_missing": missing,
    }
    if found.queued_over_an_hour or missing:
        late = counted(found.queued_over_an_hour, "mail")
        return broken(f"{late} waiting for more than an hour, {counted(missing, 'usage alert')} missing.", **figures)
    return kept(f"No mail waits for more than an hour, {counted(due, 'usage alert')} due and written.", **figures)


def answers(runtime: Runtime) -> Finding:
    """P22: no request is past its day, counted from the requests themselves."""
    now = runtime.clock.now()
    waiting = PrivacyRequestRow.status.in_(OPEN)
    closed = PrivacyRequestRow.closed_at >= now - YEAR
    with runtime.database.read() as session:
        count = select(func.count()).select_from(PrivacyRequestRow)
        still = session.scalar(count.where(waiting)) or 0
        late = session.scalar(count.where(waiting, PrivacyRequestRow.due_at < now)) or 0
        ended = session.execute(
            select(PrivacyRequestRow.received_at, PrivacyRequestRow.closed_at, PrivacyRequestRow.due_at).where(closed)
        ).tuples().all()  # fmt: skip
    days = [(end - begin).total_seconds() / 86_400 for begin, end, _ in ended if end is not None]
    late_before = sum(end > due for _, end, due in ended if end is not None)
    usual = round(median(days), 1) if days else 0.0
    figures = {
        "open": still,
        "overdue": late,
        "answered": len(ended),
        "answered_late": late_before,
        "median_days": usual,
    }
    if late:
        return broken(f"{counted(late, 'request')} past the day it is answered by.", **figures)
    return kept(
        f"{counted(still, 'request')} open, none overdue; {len(ended):,} answered in the last year, "
        f"in {usual:g} days at the median.",
        **figures,
    )


def data_regions(runtime: Runtime) -> Finding:
    """P25: every declared region is in the European Economic Area."""
    regions = runtime.settings.regions
    outside = [name for name, region in regions.items() if region and is_european(region) is False]
    silent = [name for name, region in regions.items() if is_european(region) is None]
    figures = {"declared": sum(map(bool, regions.values())), "outside": len(outside), "not_told": len(silent)}
    if outside:
        return broken(f"Outside the European Economic Area: {', '.join(outside)}.", **figures)
    if silent:
        return unknown(
            f"The operator has not said in a way that tells where these are: {', '.join(silent)}.", **figures
        )
    return kept("Server, database, storage, mail and measurements are all in the European Economic Area.", **figures)


def announced(runtime: Runtime) -> Finding:
    """P26: everybody who had an account was told about each version before it counted."""
    now = runtime.clock.now()
    versions = [each for each in all_versions(runtime) if each.counts(now) and not each.shipped]
    recent = [each for each in versions if each.effective_at > now - YEAR]
    told = missed = 0
    with runtime.database.read() as session:
        for version in recent:
            people = people_made_before(version.effective_at).subquery()
            row, day = PolicyNoticeRow, version.effective_at
            before = (row.mailed_at < day) | (row.seen_at < day)
            notified = select(row.account_id).where(row.version_id == version.id, before)
            count = select(func.count()).select_from(people)
            told += session.scalar(count.where(people.c.id.in_(notified))) or 0
            missed += session.scalar(count.where(people.c.id.not_in(notified))) or 0
    figures = {"versions": len(recent), "told": told, "not_told": missed}
    if missed:
        return broken(f"{counted(missed, 'person', 'people')} not told before a version counted.", **figures)
    if not recent:
        return kept("No new version came to count in the last year.", **figures)
    all_of_them = counted(len(recent), "new version")
    return kept(f"{all_of_them} in the last year; all {counted(told, 'person', 'people')} told before.", **figures)


def information(runtime: Runtime) -> Finding:
    """P27: every purpose has a legal basis, every recipient outside the EEA a safeguard."""
    rules, found = declared(), recipients(runtime)
    baseless = sum(each.legal_basis not in BASES for each in rules)
    unprotected = [each for each in found if each.safeguard is None and is_european(each.region) is False]
    untold = [each for each in found if each.safeguard is None and is_european(each.region) is None]
    figures = {
        "purposes": len({each.purpose for each in rules}),
        "without_basis": baseless,
        "recipients": len(found),
        "without_safeguard": len(unprotected),
        "region_not_told": len(untold),
    }
    if baseless or unprotected:
        return broken(
            f"{counted(baseless, 'rule')} without a legal basis, {counted(len(unprotected), 'recipient')} "
            "outside the EEA without a safeguard.",
            **figures,
        )
    if untold:
        where = f"{counted(len(untold), 'recipient')} whose region the operator has not declared"
        return unknown(f"Every purpose has a legal basis; there is {where}.", **figures)
    return kept(
        f"{figures['purposes']} purposes with a legal basis; {counted(len(found), 'recipient')}, each in the EEA or "
        "with a safeguard.",
        **figures,
    )
