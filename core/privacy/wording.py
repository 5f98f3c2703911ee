"""What is declared about data, in the words of the policy: purposes, legal bases, how long, which data. Pure."""

PURPOSES = {
    "account": "To have your account and let you sign in",
    "service": "To run your pipelines and show you what they did",
    "billing": "To charge what you use and keep the books the law asks for",
    "security": "To keep your account and the service safe",
    "transactional mail": "To write to you about your account and your runs",
    "data subject requests": "To answer your requests under this policy",
    "policy notices": "To tell you about changes of this policy and prove that we did",
    "consent": "To keep your choices, and prove them",
    "legal claims": "To keep what a legal claim needs, for as long as it does",
    "analytics": "To count what is used, anonymously",
}
"""Purposes in the words of the policy, by the names that columns declare."""
BASES = {
    "contract": "contract with you (Art. 6(1)(b) GDPR)",
    "legal_obligation": "legal obligation (Art. 6(1)(c) GDPR)",
    "legitimate_interests": "legitimate interest (Art. 6(1)(f) GDPR)",
    "consent": "your consent (Art. 6(1)(a) GDPR)",
}
KEPT = {
    "account": "as long as you have your account",
    "plan_logs": "90 days on the Free plan, 1 year on paid plans",
    "session": "until shortly after the sign-in ends",
    "short_lived": "until it has served, at most 30 days",
    "days_90": "90 days",
    "proof_5_years": "5 years, as proof (Code civil, Art. 2224)",
    "legal_hold": "until the legal claim is settled, or the day that was set for it",
    "law_10_years": "10 years (Code de commerce, Art. L123-22)",
}
CATEGORIES = {
    "user.account.settings": "settings of your account",
    "user.authorization.credentials": "keys and secrets",
    "user.authorization.password": "hash of your password",
    "user.behavior": "what you did, and when",
    "user.contact.email": "e-mail addresses",
    "user.content": "what you wrote, and what came out",
    "user.device": "browsers you signed in with",
    "user.financial": "credits and payments",
    "user.name": "name",
    "user.unique_id": "opaque ids",
}


def in_order(purposes: set[str]) -> list[str]:
    """Purposes as the policy lists them; those without words come last."""
    known = list(PURPOSES)
    return sorted(purposes, key=lambda name: (known.index(name) if name in known else len(known), name))


def category_words(category: str) -> str:
    """A kind of data in words; one nobody gave words to by its own name."""
    return CATEGORIES.get(category, category.removeprefix("user.").replace(".", " "))


def category_title(category: str) -> str:
    """The same at the beginning of a line."""
    words = category_words(category)
    return words[:1].upper() + words[1:]
