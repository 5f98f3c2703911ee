"""Certificates of erasures: what was erased, in counts, what is kept by which law, and what a scan proved.

Each one's hash (SHA-256 without a key) covers its canonical text and the hash of the certificate before it. So a
certificate is proven offline with nothing but itself, and the whole row of them with the database: none was altered,
taken out or moved. Nothing in it is about a person: the id of the account is nobody's once the account is gone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.platform.runtime import Runtime
from core.privacy.erasure.models import CertificateRow, ErasureRow, HoldCopyRow
from core.privacy.retention.models import LegalHoldRow
from core.privacy.scan.domain import ScanResult
from core.shared.clock import iso_z
from core.shared.errors import InvalidInput, NotFound
from core.shared.types import JsonValue

START = b"\0" * 32
FORMAT = "stepIQ certificate of erasure, 1"
LAWS = {
    "law_10_years": ("Code de commerce, Art. L123-22 (GDPR Art. 17(3)(b))", 10),
    "proof_5_years": ("GDPR Art. 5(2), Code civil Art. 2224 (GDPR Art. 17(3)(e))", 5),
}
"""Why something stays, and to the end of which year after."""
PROMISE = (
    "Account data is kept for the lifetime of the account (P13); deletion can be asked for at any time (P15, P18), and "
    "is carried out within 30 days (P22)."
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: what it says, and its place in the chain."""

    number: str
    body: Mapping[str, Any]
    before: bytes
    hash: bytes

    def as_json(self) -> str:
        """As a file that `stepiq privacy verify` proves without a database."""
        told = {"format": FORMAT, "body": self.body, "before": self.before.hex(), "hash": self.hash.hex()}
        return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """A legal hold that is over, and what had been kept for it, by table."""

    hold_id: str
    account_id: str
    law: str
    at: datetime
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ChainProof:
    """How many certificates were walked, and where the chain does not hold."""

    count: int
    problems: tuple[str, ...]


def make_certificate(
    runtime: Runtime,
    *,
    number: str,
    request_id: str,
    account_id: str,
    received_at: datetime,
    key_gone_at: datetime | None,
    found: Mapping[str, int],
    steps: Mapping[str, Mapping[str, int]],
    kept: Mapping[str, tuple[int, str]],
    scan: ScanResult | None,
    values: int,
) -> Certificate:
    """Write a certificate behind those that there are; the one that a former try wrote stays as it is."""
    with runtime.database.write() as session:
        known = session.get(CertificateRow, number)
        if known is not None:
            return _certificate(known)
        now = runtime.clock.now()
        held = _held(session, request_id)
        body: dict[str, JsonValue] = {
            "number": number,
            "account": account_id,
            "received_at": iso_z(received_at),
            "key_destroyed_at": iso_z(key_gone_at) if key_gone_at else None,
            "completed_at": iso_z(now),
            "promise": PROMISE,
            "found": dict(sorted(found.items())),
            "done": {name: dict(sorted(counts.items())) for name, counts in steps.items() if counts},
            "kept": [_kept(name, count, rule, now) for name, (count, rule) in sorted(kept.items())],
            "held": held,
            "outcome": "partial" if held else "whole",
            "scan": _scanned(scan, values, held=bool(held)),
        }
        row = _append(session, number, body, now)
    return _certificate(row)


def add_followup(runtime: Runtime, session: Session, follows: str, ended: Ended) -> None:
    """Write that what one certificate said was held is gone as well, in the caller's transaction; once."""
    number = f"{follows}-{ended.hold_id[-12:].upper()}"
    if session.get(CertificateRow, number) is not None:
        return
    now = runtime.clock.now()
    body: dict[str, JsonValue] = {
        "number": number,
        "follows": follows,
        "account": ended.account_id,
        "hold": ended.hold_id,
        "law": ended.law,
        "hold_ended_at": iso_z(ended.at),
        "key_destroyed_at": iso_z(now),
        "completed_at": iso_z(now),
        "gone": dict(sorted(ended.counts.items())),
    }
    _append(session, number, body, now)


def held_in(row: CertificateRow) -> frozenset[str]:
    """The legal holds that a certificate says something is kept for."""
    return frozenset(each["hold"] for each in json.loads(row.body).get("held", ()))


def get_certificate(runtime: Runtime, number: str) -> Certificate:
    """A certificate by its number. Raises NotFound."""
    with runtime.database.read() as session:
        row = session.get(CertificateRow, number)
    if row is None:
        raise NotFound("CERTIFICATE_NOT_FOUND", "There is no certificate with this number.")
    return _certificate(row)


def certificate_of(runtime: Runtime, request_id: str) -> Certificate | None:
    """The certificate of a request's erasure; None before it is made."""
    mine = select(ErasureRow.number).where(ErasureRow.request_id == request_id).scalar_subquery()
    with runtime.database.read() as session:
        row = session.scalar(select(CertificateRow).where(CertificateRow.number == mine))
    return _certificate(row) if row else None


def held_words(certificate: Certificate, language: str) -> str:
    """What legal holds keep, as the closing notice says it; empty where nothing is held."""
    sums: dict[tuple[str, str], int] = {}
    for each in certificate.body.get("held", ()):
        key = (each["law"], each["until"])
        sums[key] = sums.get(key, 0) + each["count"]
    if not sums:
        return ""
    if language == "fr":
        what = ", ".join(f"{n:,} ligne{'s' if n > 1 else ''} jusqu’au {day} ({law})" for (law, day), n in sums.items())
        return (
            f"Pour un litige ou une obligation légale nous gardons encore, chiffré avec une clé à part : {what} (RGPD "
            "Art. 17(3)(b) et (e)). Cela est supprimé dès que cette raison prend fin, au plus tard ce jour-là."
        )
    what = ", ".join(f"{n:,} row{'' if n == 1 else 's'} until {day} ({law})" for (law, day), n in sums.items())
    return (
        f"For a legal claim or duty we still keep, sealed with a key of its own: {what} (GDPR Art. 17(3)(b) and (e)). "
        "It is deleted as soon as that reason ends, on that day at the latest."
    )


def followups_of(runtime: Runtime, number: str) -> tuple[Certificate, ...]:
    """The certificates that say what was erased later of what a first one had said was held."""
    later = select(CertificateRow).where(CertificateRow.number.startswith(f"{number}-", autoescape=True))
    with runtime.database.read() as session:
        return tuple(_certificate(row) for row in session.scalars(later.order_by(CertificateRow.seq)))


def verify_certificates(runtime: Runtime) -> ChainProof:
    """Walk all certificates and prove that none was altered, taken out or moved."""
    before, count = START, 0
    problems: list[str] = []
    with runtime.database.read() as session:
        for row in session.scalars(select(CertificateRow).order_by(CertificateRow.seq)).yield_per(500):
            count += 1
            if row.seq != count or row.before != before or row.hash != _hash(row.before, json.loads(row.body)):
                problems.append(f"Certificate {row.number} does not follow from the one before it.")
            before = row.hash
    return ChainProof(count, tuple(problems))


def verify_file(text: str) -> Certificate:
    """Prove a certificate from its file alone. Raises InvalidInput for what is none, or was altered."""
    try:
        told = json.loads(text)
        body, before, hash_ = told["body"], bytes.fromhex(told["before"]), bytes.fromhex(told["hash"])
        number = str(body["number"])
    except (ValueError, KeyError, TypeError):
        raise InvalidInput("NO_CERTIFICATE", "This is no certificate of an erasure.") from None
    if _hash(before, body) != hash_:
        raise InvalidInput("CERTIFICATE_ALTERED", "This certificate was altered: its hash is another.")
    return Certificate(number, body, before, hash_)


def render_certificate(certificate: Certificate) -> str:
    """A certificate for people to read."""
    body = certificate.body
    if "follows" in body:
        return _rendered_followup(certificate)
    lines = [
        f"Certificate of erasure {certificate.number}",
        "",
        f"Asked for: {body['received_at']}",
        f"Key destroyed: {body['key_destroyed_at'] or 'earlier'}",
        f"Completed: {body['completed_at']}",
        f"Account: {body['account']} (an id that is nobody's from now on)",
        "",
        body["promise"],
        "",
        "Erased, in rows found before:",
        *_indented(f"{name}: {count}" for name, count in body["found"].items()),
        "",
        "Kept because the law asks for it, under the id above:",
        *_indented(f"{each['what']}: {each['count']}, until {each['until']} ({each['law']})" for each in body["kept"]),
        "",
        *_held_lines(body.get("held", ())),
    ]
    scan = body["scan"]
    if scan is None:
        lines.append("No value of the person was left to look for: an earlier erasure had destroyed the key.")
    else:
        lines += [
            f"A scan for {scan['values']} values (address, and name where it is long enough to tell from chance) found "
            f"{scan['hits']} places in {scan['bytes']:,} bytes. It looked at:",
            *_indented(scan["covered"]),
            "and not at:",
            *_indented(scan["not_covered"]),
        ]
    lines += ["", f"Hash of the certificate before: {certificate.before.hex()}", f"Hash: {certificate.hash.hex()}"]
    return "\n".join(lines) + "\n"


def _rendered_followup(certificate: Certificate) -> str:
    body = certificate.body
    lines = [
        f"Certificate of erasure {certificate.number}",
        "",
        f"It follows certificate {body['follows']}: what that one said was kept for a legal hold is erased.",
        f"The hold ended: {body['hold_ended_at']} ({body['law']})",
        f"Its key destroyed: {body['key_destroyed_at']}",
        f"Completed: {body['completed_at']}",
        f"Account: {body['account']} (an id that is nobody's)",
        "",
        "Erased, in rows that had been kept:",
        *_indented(f"{name}: {count}" for name, count in body["gone"].items()),
        "",
        f"Hash of the certificate before: {certificate.before.hex()}",
        f"Hash: {certificate.hash.hex()}",
    ]
    return "\n".join(lines) + "\n"


def _held(session: Session, request_id: str) -> list[JsonValue]:
    """What legal holds keep of an erasure now, by hold and table; locked, so that its end is told after this."""
    mine = select(HoldCopyRow, LegalHoldRow.law, LegalHoldRow.until)
    mine = mine.join(LegalHoldRow, LegalHoldRow.id == HoldCopyRow.hold_id)
    mine = mine.where(HoldCopyRow.request_id == request_id, HoldCopyRow.released_at.is_(None))
    rows = session.execute(mine.order_by(HoldCopyRow.hold_id).with_for_update(of=HoldCopyRow)).tuples()
    return [
        {"what": name, "count": count, "law": law, "until": until.date().isoformat(), "hold": copy.hold_id}
        for copy, law, until in rows
        for name, count in sorted(json.loads(copy.counts).items())
    ]


def _held_lines(held: Any) -> Sequence[str]:
    if not held:
        return ()
    return (
        "Kept for a legal hold, sealed with a key of its own, and erased when it ends (GDPR Art. 17(3)(b) and (e)):",
        *_indented(f"{each['what']}: {each['count']}, until {each['until']} ({each['law']})" for each in held),
        "",
    )


def _append(session: Session, number: str, body: Mapping[str, Any], now: datetime) -> CertificateRow:
    """Write a certificate behind those that there are."""
    newest = select(CertificateRow).order_by(CertificateRow.seq.desc()).limit(1).with_for_update()
    last = session.scalar(newest)
    before = last.hash if last else START
    row = CertificateRow(
        number=number, seq=last.seq + 1 if last else 1, body=_canonical(body), before=before,
        hash=_hash(before, body), made_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _kept(name: str, count: int, rule: str, now: datetime) -> JsonValue:
    law, years = LAWS[rule]
    return {"what": name, "count": count, "law": law, "until": date(now.year + years, 12, 31).isoformat()}


def _scanned(scan: ScanResult | None, values: int, *, held: bool) -> JsonValue:
    if scan is None:
        return None
    sealed = ["what legal holds keep, in what is sealed with their own keys: it is named above"] if held else []
    return {
        "values": values,
        "hits": len(scan.places),
        "bytes": scan.bytes_read,
        "covered": list(scan.covered),
        "not_covered": [*sealed, *scan.not_covered],
    }


def _indented(lines: Any) -> Sequence[str]:
    return [f"  {line}" for line in lines] or ["  nothing"]


def _canonical(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _hash(before: bytes, body: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(before + b"\n" + _canonical(body).encode()).digest()


def _certificate(row: CertificateRow) -> Certificate:
    return Certificate(row.number, cast(Mapping[str, Any], json.loads(row.body)), row.before, row.hash)
