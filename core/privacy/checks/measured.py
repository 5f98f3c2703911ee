"""P04: what is measured about use is anonymous."""

from core.analytics.proof import prove_lake
from core.analytics.salts import PROMISED
from core.platform.runtime import Runtime
from core.privacy.checks.finding import Finding, broken, counted, kept


def measured(runtime: Runtime) -> Finding:
    """P04: events have declared columns and values only, refuse an address, and no day's key is older than 48 hours."""
    proof = prove_lake(runtime)
    hours = round(proof.salt_age.total_seconds() / 3600) if proof.salt_age is not None else 0
    figures = {
        "events": proof.events,
        "undeclared_columns": len(proof.undeclared),
        "foreign_values": len(proof.foreign),
        "oldest_key_hours": hours,
    }
    if proof.undeclared or proof.foreign:
        fields = counted(len(proof.undeclared) + len(proof.foreign), "field")
        return broken(f"{fields} of the events hold what was never declared.", **figures)
    if not proof.refuses:
        return broken("An event with an address in it would be written.", **figures)
    if proof.salt_age is not None and proof.salt_age > PROMISED:
        return broken(f"The key of a day is {hours} hours old, and should be destroyed.", **figures)
    if not runtime.settings.analytics:
        return kept("Nothing is counted: this installation has it switched off.", **figures)
    events, oldest = counted(proof.events, "event"), counted(hours, "hour")
    return kept(f"{events}, all of declared fields; the oldest key of a day is {oldest} old.", **figures)
