"""Plain words for what inventory and time line hold: categories, tables, times, states and what happened. Pure."""

from core.accounts.plans import PLANS
from core.platform.annotations import Retention
from core.privacy.domain import Channel, Ground, Identity, Outcome, PrivacyRequestView, Right

TABLES = {
    "accounts": "Account",
    "analytics_progress": "How far you came, for counting each step once",
    "account_links": "Mailed links",
    "api_keys": "API keys",
    "billing_checkouts": "Purchases begun",
    "billing_customers": "Link to Stripe",
    "billing_refunds": "Refunds",
    "billing_subscriptions": "Subscriptions",
    "consents": "Your choices",
    "console_queries": "Your queries in the SQL console",
    "credit_accounts": "Credit balance",
    "delivery_attempts": "Attempts of deliveries",
    "data_exports": "Copies of your data",
    "deliveries": "Deliveries",
    "content_looked_at": "What admins opened of your content",
    "content_looks": "Looks of admins at your content",
    "discount_addresses": "Discounts for your address",
    "discount_redemptions": "Discounts used",
    "egress": "What left, and to whom",
    "erasures": "Deletions under way",
    "files": "Files",
    "held_rows": "Kept for a legal claim after a deletion",
    "idempotency_keys": "Keyed hashes of API requests",
    "invitations": "Invitations",
    "ledger_entries": "Amounts of the ledger",
    "ledger_transactions": "Movements of the ledger",
    "legal_holds": "Legal holds",
    "mail_outbox": "Mails to you",
    "own_keys": "Vendor keys",
    "pipeline_drafts": "Drafts of pipelines",
    "pipeline_versions": "Versions of pipelines",
    "pipelines": "Pipelines",
    "plan_changes": "Changes of your plan",
    "planned_plans": "Announced plans",
    "policy_acceptances": "Policies you use the service under",
    "policy_notices": "Notices of changed policies",
    "privacy_decisions": "Decisions about requests",
    "privacy_passages": "Passages about others left out",
    "privacy_redactions": "Words of others left out",
    "privacy_request_events": "Time lines of requests",
    "privacy_request_links": "Links of requests",
    "privacy_request_steps": "Steps of requests",
    "privacy_requests": "Requests about your data",
    "privacy_restrictions": "Restrictions",
    "provider_notices": "Terms of providers you were shown",
    "recovery_codes": "Recovery codes, as hashes",
    "reviews": "Reviews",
    "run_events": "Events of runs",
    "runs": "Runs",
    "schedules": "Schedules",
    "secrets": "Secrets",
    "sessions": "Sign-ins",
    "sign_up_codes": "Codes mailed to your address",
    "step_runs": "Steps of runs",
    "usage_of_deleted_runs": "Sums of runs that are gone",
}
"""Tables with a name that says what a row is; another is shown by its own name."""
LAWS = {
    "law_10_years": (10, "L123-22", "Code de commerce L123-22"),
    "proof_5_years": (5, "Art. 2224", "Code civil Art. 2224"),
}
"""Years a law has us keep something, its short name, and its name."""
GROUND_WORDS: dict[Ground, str] = {
    "accuracy": "What you hold is wrong, and is to be checked",
    "unlawful": "You have no right to use it, and I do not want it deleted",
    "claims": "I need it kept for a legal claim",
    "objection": "I objected, and wait for the answer",
}
"""GDPR Art. 18(1)(a) to (d)."""
EVENTS = {
    "received": "Received",
    "identity_session": "You had just entered your password: that shows who asked",
    "identity_asked": "A link was mailed to the address of the account",
    "identity_link": "The mailed link was followed: that shows who asked",
    "identity_evidence": "What showed who asked was noted",
    "identity_noted": "It was shown who asked",
    "identity_not_shown": "Nobody followed the link in time, so nothing was done",
    "restricted": "The use of the data was restricted",
    "restriction_ended": "The restriction ended",
    "lifting_announced": "It was announced that the restriction ends",
    "decide_contested_facts": "Somebody looks at what is contested",
    "decide_ground": "Somebody looks at the ground",
    "decide_compelling_grounds": "Somebody weighs the grounds",
    "decide_others_inside": "Somebody looks at words of other people inside",
    "decision_proposed": "A decision waits for its second signature",
    "decision_dropped": "The decision was taken back before its second signature",
    "accepted": "Accepted",
    "refused": "Refused",
    "scheduled": "Ready to be carried out",
    "begin_now": "To begin at once, as you said",
    "extended": "It takes longer; you were told why",
    "message": "Message",
    "revealed": "Name and address were shown to a privacy admin",
    "left_out": "It was said which words of others are left out",
    "withdrawn": "Taken back",
    "fulfilled": "Done",
    "partial": "Done in part",
}
ENDS: dict[Outcome, str] = {
    "fulfilled": "Done",
    "partial": "Done in part",
    "refused": "Refused",
    "withdrawn": "Taken back",
}
IDENTITIES: dict[Identity, str] = {
    "session": "password just entered",
    "link": "mailed link",
    "evidence": "noted",
}
CAME_BY: dict[Channel, str] = {
    "app": "in the app",
    "api": "over the API",
    "form": "by the public form",
    "letter": "by letter",
    "mail": "by e-mail",
}
RIGHT_NAMES: dict[Right, str] = {
    "access": "Access",
    "rectification": "Correction",
    "erasure": "Deletion",
    "restriction": "Restriction",
    "portability": "Portability",
    "objection": "Objection",
}


def table_title(name: str) -> str:
    """What the rows of a table are."""
    return TABLES.get(name, name.replace("_", " ").capitalize())


def until_words(retention: Retention, plan: str) -> str:
    """Until when something is kept, for a person on a plan."""
    if retention == "plan_logs":
        return f"{PLANS[plan].log_days} days after the run, on your plan"
    if retention in LAWS:
        years, _, law = LAWS[retention]
        return f"{years} years, as the law says ({law})"
    words = {
        "account": "until you delete it, or your account",
        "session": "until the sign-in ends, 90 days at most",
        "short_lived": "a few days at most",
        "legal_hold": "until the claim that needs it is settled",
        "days_90": "90 days",
    }
    return words.get(retention, retention)


def event_words(code: str) -> str:
    """What a line of a time line says. Steps say their own name."""
    if code.startswith("step_"):
        return STEP_PHASES.get(code.removeprefix("step_"), "Carried out")
    return EVENTS.get(code, code.replace("_", " ").capitalize())


STEP_PHASES = {
    "correct": "Your own fields are corrected",
    "tell_recipients": "Who received them is told",
    "restrict": "The use of the data stops",
    "object": "Analytics and news stop",
}


def state_words(request: PrivacyRequestView) -> str:
    """Where a request stands, in a word or two."""
    if request.outcome is not None and request.status == "closed":
        return ENDS[request.outcome]
    words = {
        "received": "Received",
        "awaiting_identity": "Waits for the mailed link",
        "verified": "Received",
        "awaiting_decision": "Somebody looks at it",
        "scheduled": "Begins soon",
        "executing": "Under way",
        "propagating": "Recipients are told",
        "verifying": "Is being checked",
        "closed": "Answered",
    }
    return words[request.status]
