"""Which check belongs to which promise."""

from core.privacy.checks import later, reached, services, stored
from core.privacy.checks.finding import Check

CHECKS: dict[str, Check] = {
    "P01": stored.account_data,
    "P02": stored.passwords,
    "P03": stored.purposes,
    "P04": later.measured,
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
    "P15": later.rights,
    "P16": later.rights,
    "P17": later.rights,
    "P18": later.rights,
    "P19": later.rights,
    "P20": later.rights,
    "P21": later.rights,
    "P22": services.answers,
    "P23": reached.transport,
    "P24": stored.secrets,
    "P25": services.data_regions,
    "P26": services.announced,
    "P27": services.information,
}
