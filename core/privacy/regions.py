"""Where data is, and what protects it outside the European Economic Area. Pure."""

EEA = frozenset(
    (
        "AT", "BE", "BG", "HR", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HU", "IE",
        "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
    )
)  # fmt: skip
"""ISO 3166-1 codes of the European Economic Area: the 27 of the Union, Iceland, Liechtenstein and Norway."""
WHOLE = frozenset({"EU", "EEA", "EUROPEAN UNION"})
NAMES = {
    "AUSTRIA": "AT", "BELGIUM": "BE", "BULGARIA": "BG", "CROATIA": "HR", "CYPRUS": "CY", "CZECHIA": "CZ",
    "DENMARK": "DK", "ESTONIA": "EE", "FINLAND": "FI", "FRANCE": "FR", "GERMANY": "DE", "GREECE": "GR",
    "HUNGARY": "HU", "ICELAND": "IS", "IRELAND": "IE", "ITALY": "IT", "LATVIA": "LV", "LIECHTENSTEIN": "LI",
    "LITHUANIA": "LT", "LUXEMBOURG": "LU", "MALTA": "MT", "NETHERLANDS": "NL", "NORWAY": "NO", "POLAND": "PL",
    "PORTUGAL": "PT", "ROMANIA": "RO", "SLOVAKIA": "SK", "SLOVENIA": "SI", "SPAIN": "ES", "SWEDEN": "SE",
}  # fmt: skip
OUTSIDE = frozenset(("UNITED STATES", "USA", "UNITED KINGDOM", "SWITZERLAND", "CANADA", "INDIA", "JAPAN"))
OWN_SERVER = "this server"
CLAUSES = "standard contractual clauses (Art. 46(2)(c) GDPR)"
SAFEGUARDS = {"anthropic": CLAUSES, "openai": CLAUSES, "stripe": CLAUSES}
"""What protects the transfer to a recipient we name ourselves; those of partners are named by who adds them."""


def is_european(region: str) -> bool | None:
    """Whether a region is in the EEA; None where its name does not tell.

    A country by its name or code, or a place with the code before or after it: `FR`, `Paris, France`, `eu`, `fr-par`.
    """
    plain = region.strip().upper()
    if not plain or plain == "UNKNOWN":
        return None
    if plain == OWN_SERVER.upper():
        return True
    parts = [part.strip() for part in plain.replace("(", ",").replace(")", ",").split(",") if part.strip()]
    last = parts[-1]
    head = last.split("-")[0]
    for word in (last, head):
        if word in WHOLE or word in EEA or word in NAMES:
            return True
    return False if len(head) == 2 or last in OUTSIDE else None
