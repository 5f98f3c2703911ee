"""Which check belongs to which promise."""

from collections.abc import Callable, Mapping

from core.platform.runtime import Runtime
from core.privacy.checks import measured, reached, services, stored
from core.privacy.checks.finding import Check, Finding
from core.privacy.trial import try_rights

CHECKS: dict[str, Check] = {
    "P01": stored.account_data,
    "P02": stored.passwords,
    "P03": stored.purposes,
    "P04": measured.measured,
    "P05": services.posthog,
    "P06": services.card_numbers,
    "P07": services.departures,
    "P08": services.provider_terms,
    "P09": services.sensitive_data,
    "P10": services.books,
    "P11": services.mails,
    "P12": reached.cookies,
    "P13": stored.rows_of_nobody,
    "P14": stored.log_age,
    "P22": services.answers,
    "P23": reached.transport,
    "P24": stored.secrets,
    "P25": services.data_regions,
    "P26": services.announced,
    "P27": services.information,
}

TOGETHER: Mapping[tuple[str, ...], Callable[[Runtime], dict[str, Finding]]] = {
    ("P15", "P16", "P17", "P18", "P19", "P20", "P21"): try_rights,
}
"""Promises that one look answers, as it takes a while: the trial of all rights on one account."""
