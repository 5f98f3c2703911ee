"""The promises of the privacy policy: an id, a sentence, the section that makes it, and what keeps it. Pure.

The ids never change their meaning: they stand in policies that were published, in the log of checks and in mails.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise. `section` is the anchor of its section in the policy that is shipped."""

    id: str
    sentence: str
    section: str
    kept_by: str


_ALL = (
    Promise(
        "P01",
        "Of your account we keep your e-mail address and a hash of your password, and what you add to it yourself.",
        "what-we-hold",
        "Every column of the database is declared with what it holds about whom; an undeclared one stops the start.",
    ),
    Promise(
        "P02",
        "Your password is never stored in a form in which it can be read.",
        "what-we-hold",
        "Passwords are kept as bcrypt hashes of cost 12 or more.",
    ),
    Promise(
        "P03",
        "Pipelines, logs, outputs of steps and what goes with them are kept to provide the service only.",
        "why-we-hold-it",
        "Every column names its purpose, and the policy lists every purpose there is.",
    ),
    Promise(
        "P04",
        "What we measure about use is anonymous: no address, no prompt, no name.",
        "measuring-use",
        "Events carry an id made with a random value that is changed every day and destroyed after 48 hours.",
    ),
    Promise(
        "P05",
        "Measurements go to PostHog in the European Union, and to nobody else.",
        "measuring-use",
        "The start is refused with a PostHog address outside the EU; nothing is sent where no key is set. Each event "
        "has a random id of its own and only declared words; anything else is dropped before it goes.",
    ),
    Promise(
        "P06",
        "Payments are made at the payment provider; card numbers never reach us.",
        "payments-and-credits",
        "People pay on pages of Stripe's; no form and no table of ours has a place for a card number.",
    ),
    Promise(
        "P07",
        "Prompts and inputs go to the provider you chose, and to nobody else.",
        "model-providers",
        "Every call that leaves is written into a ledger with its recipient, and compared with what was executed.",
    ),
    Promise(
        "P08",
        "You see the terms of each model provider before you first use it.",
        "model-providers",
        "Each provider has a card with training, retention, region and a link, looked up within the last 180 days.",
    ),
    Promise(
        "P09",
        "We advise you against sensitive data in prompts, and help you to find it.",
        "sensitive-data",
        "Inputs are looked through before a run, which warns, masks or stops as you choose.",
    ),
    Promise(
        "P10",
        "Your credits and payments are kept in books that can be checked.",
        "payments-and-credits",
        "A ledger of double entries: each movement sums to zero, is chained to the one before and never overdraws.",
    ),
    Promise(
        "P11",
        "We write to you about your account only: to confirm, to reset, and to warn you about your usage.",
        "mail",
        "Mails are written with the act that causes them and sent within the hour.",
    ),
    Promise(
        "P12",
        "Without your consent we set only the cookies that are strictly necessary, and never any for advertising.",
        "cookies",
        "Cookies of sign-in and forms are HttpOnly and SameSite; anything else waits for a choice.",
    ),
    Promise(
        "P13",
        "Your account data is kept for as long as you have the account.",
        "how-long-we-keep-it",
        "An erasure takes every row that belongs to an account.",
    ),
    Promise(
        "P14",
        "Logs of runs are kept for 90 days on the Free plan and for a year on paid plans.",
        "how-long-we-keep-it",
        "A nightly sweep deletes what is older.",
    ),
    Promise(
        "P15",
        "You can ask for the deletion of your data at any time.",
        "your-rights",
        "A button under Profile, and a deletion that ends with a scan for what should be gone.",
    ),
    Promise(
        "P16", "You can get a copy of what we hold about you.", "your-rights", "An export of what is declared as yours."
    ),
    Promise(
        "P17", "You can have wrong data corrected.", "your-rights", "Your fields change at once, the rest on request."
    ),
    Promise(
        "P18", "You can have your data erased.", "your-rights", "What is under your key becomes unreadable with it."
    ),
    Promise(
        "P19",
        "You can take your data with you in a form that programs read.",
        "your-rights",
        "JSON, CSV, and pipelines as YAML that can be imported again unchanged.",
    ),
    Promise(
        "P20", "You can object to measurements and news.", "your-rights", "Both stop at once and stay stopped."
    ),
    Promise(
        "P21",
        "You can have the use of your data restricted.",
        "your-rights",
        "Nothing runs and nothing is deleted while a restriction holds; you are told before it is lifted.",
    ),
    Promise(
        "P22",
        "We answer requests within 30 days.",
        "your-rights",
        "Each request has a day by which it is answered, and reminders before it.",
    ),
    Promise(
        "P23",
        "What travels between you and us is encrypted.",
        "how-it-is-protected",
        "In production the address must be https; cookies are Secure and browsers are told to use https only.",
    ),
    Promise(
        "P24",
        "Stored secrets and keys are encrypted with AES-256-GCM.",
        "how-it-is-protected",
        "Each person has a key of their own, wrapped by a master key that is kept apart.",
    ),
    Promise(
        "P25",
        "Your data is stored in European data centres.",
        "where-data-is-stored",
        "The operator declares the region of each store, and each must be in the European Economic Area.",
    ),
    Promise(
        "P26",
        "Important changes to this policy are announced by mail or in the app before they count.",
        "changes",
        "Versions have a day from which they count; who was told when and how is recorded.",
    ),
    Promise(
        "P27",
        "We tell you the legal basis of each use, who receives data, and how it is protected outside Europe.",
        "why-we-hold-it",
        "Every purpose has a legal basis; every recipient outside the EEA has a safeguard.",
    ),
)  # fmt: skip

PROMISES = {promise.id: promise for promise in _ALL}
"""Every promise by its id, in order."""
