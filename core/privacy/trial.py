"""The trial: an account is made for it, filled, and uses its six rights; what each did is looked at (P15 to P21).

It goes the way that people go: signed in with a password, through the same commands, carried out by the same steps.
Nobody reads mail at its address (RFC 2606 keeps it free), so none is written to it. What an earlier trial left, because
its process died, is erased first.
"""

import io
import secrets
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account, set_secret
from core.accounts.domain import SessionView
from core.accounts.queries import find_account, find_session, get_account, is_set_up
from core.accounts.standing import standing_of
from core.execution.commands import start_run
from core.pipelines.commands import create_pipeline, validate_source
from core.platform.files.commands import store_file
from core.platform.mail.domain import TRIAL_HOST
from core.platform.runtime import Runtime
from core.privacy.advance import advance_request
from core.privacy.asking import ask
from core.privacy.checks.finding import Finding, broken, kept, unknown
from core.privacy.commands import begin_now, end_own_restriction
from core.privacy.domain import Details, Right
from core.privacy.erasure.commands import ErasureWaits, begin_erasure, carry_out
from core.privacy.erasure.rows import left_rows
from core.privacy.export.fetching import fetch_copy
from core.privacy.queries import get_request
from core.privacy.scan.commands import scan
from core.shared.errors import AppError, Forbidden, InvariantViolated

NOBODY_YET = "Nobody has an account here yet: the rights are tried on one once somebody has."
PATIENCE = timedelta(minutes=2)
LOOK_SECONDS = 0.1
PIPELINE = """name: {word}
version: 1
steps:
  - {{id: say, model: demo, prompt: "Say {word}"}}
"""
RIGHTS = {
    "P16": "access", "P17": "rectification", "P18": "erasure", "P19": "portability", "P20": "objection",
    "P21": "restriction",
}  # fmt: skip
"""The right behind each promise that the trial looks at; P15 is that an erasure can be asked for and ends."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """The account of a trial. `word` stands in everything it holds, and nowhere else in the world."""

    runtime: Runtime
    by: SessionView
    word: str

    @property
    def account_id(self) -> str:
        return self.by.account.id


def try_rights(runtime: Runtime) -> dict[str, Finding]:
    """Use every right on an account made for it; answers what was found for P15 to P21."""
    address = trial_address(runtime)
    with runtime.database.read() as session:
        if not is_set_up(session):
            return dict.fromkeys(("P15", *RIGHTS), unknown(NOBODY_YET))
    try:
        if find_account(runtime, address) is not None:
            carry_out(runtime, begin_erasure(runtime, address))
    except ErasureWaits:
        return dict.fromkeys(("P15", *RIGHTS), unknown("The trial before is still being erased: a recipient has it."))
    trial = _begin(runtime, address)
    found = {
        "P16": _tried("access", lambda: _access(trial)),
        "P19": _tried("portability", lambda: _portability(trial)),
        "P17": _tried("rectification", lambda: _rectification(trial)),
        "P20": _tried("objection", lambda: _objection(trial)),
        "P21": _tried("restriction", lambda: _restriction(trial)),
    }
    found["P15"] = found["P18"] = _tried("erasure", lambda: _erasure(trial, address))
    return found


def trial_address(runtime: Runtime) -> str:
    """The address of the trial's account: one for the installation, that nobody else can have."""
    return f"trial-{runtime.vault.derive('trial').hex()[:20]}@{TRIAL_HOST}"


def _begin(runtime: Runtime, address: str) -> _Trial:
    word, password = f"trial{secrets.token_hex(8)}", secrets.token_urlsafe(24)
    account = create_account(runtime, email=address, password=password, name=word, plan="free")
    pipeline = create_pipeline(runtime, account, PIPELINE.format(word=word))
    start_run(runtime, account, pipeline.id, {}, trigger="manual")
    set_secret(runtime, account.id, "TRIAL", word)
    store_file(runtime, account.id, f"{word}.txt", word.encode())
    by = find_session(runtime, sign_in(runtime, email=address, password=password).token)
    if by is None:
        raise InvariantViolated("TRIAL", "The trial's account could not sign in.")
    return _Trial(runtime, by, word)


def _tried(right: Right, use: Callable[[], Finding]) -> Finding:
    try:
        return use()
    except ErasureWaits:
        return unknown("The trial's account was erased here; a recipient has not answered yet.")
    except AppError as error:
        return broken(f"Using the right failed in the trial: {error.code}.", right=right)


def _access(trial: _Trial) -> Finding:
    names, text = _copy(trial, "access")
    if f"Say {trial.word}" not in text:
        return broken("The copy that the trial got did not hold what its account had.", files=len(names))
    return kept("In a trial a copy was asked for, made and fetched; it held what the account had.", files=len(names))


def _portability(trial: _Trial) -> Finding:
    names, _text = _copy(trial, "portability")
    pipelines = [name for name in names if name.endswith(".yaml")]
    sources = [names[name].decode() for name in pipelines]
    valid = all(validate_source(trial.runtime, trial.by.account, source).definition is not None for source in sources)
    if not sources or not valid:
        return broken("The pipeline in the trial's copy could not be imported again.", pipelines=len(sources))
    return kept("In a trial data was taken along; its pipeline could be imported again.", pipelines=len(sources))


def _rectification(trial: _Trial) -> Finding:
    name = f"{trial.word} corrected"
    _use(trial, "rectification", Details(name=name))
    if get_account(trial.runtime, trial.account_id).name != name:
        return broken("A correction that the trial asked for was not made.")
    return kept("In a trial a name was corrected at once.")


def _objection(trial: _Trial) -> Finding:
    _use(trial, "objection", Details())
    if standing_of(trial.runtime, trial.account_id).may_analyse:
        return broken("After an objection the trial's use would still be counted.")
    return kept("In a trial an objection stopped measurements and news at once.")


def _restriction(trial: _Trial) -> Finding:
    runtime = trial.runtime
    _use(trial, "restriction", Details())
    pipeline = create_pipeline(runtime, trial.by.account, PIPELINE.format(word=trial.word))
    try:
        start_run(runtime, trial.by.account, pipeline.id, {}, trigger="manual")
    except Forbidden:
        pass
    else:
        return broken("A run was started although the trial's data was restricted.")
    end_own_restriction(runtime, trial.by)
    if not standing_of(runtime, trial.account_id).may_process:
        return broken("A restriction that the trial ended goes on.")
    return kept("In a trial nothing could be started while a restriction held, and again after it.")


def _erasure(trial: _Trial, address: str) -> Finding:
    runtime = trial.runtime
    asked = ask(runtime, trial.by, "erasure", Details())
    begin_now(runtime, trial.by, asked.id)
    carry_out(runtime, asked.id)
    rows = sum(left_rows(runtime, trial.account_id).values())
    found = scan(runtime, [address, trial.word])
    if rows or found.hits:
        return broken(
            "Something of the trial's account was left after its erasure.", rows=rows, places=len(found.places)
        )
    return kept(
        "In a trial an account was made, filled and erased; a scan of every store found nothing of it.",
        bytes_scanned=found.bytes_read,
    )


def _copy(trial: _Trial, right: Right) -> tuple[dict[str, bytes], str]:
    request_id = _use(trial, right, Details())
    pieces = fetch_copy(trial.runtime, trial.by, request_id).pieces
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        names = {name: archive.read(name) for name in archive.namelist()}
    return names, "".join(content.decode("utf-8", "replace") for content in names.values())


def _use(trial: _Trial, right: Right, details: Details) -> str:
    asked = ask(trial.runtime, trial.by, right, details)
    _wait(trial, asked.id)
    return asked.id


def _wait(trial: _Trial, request_id: str) -> None:
    """Carry a request out, or wait for the process that does."""
    end = time.monotonic() + PATIENCE.total_seconds()
    while True:
        advance_request(trial.runtime, request_id)
        view = get_request(trial.runtime, trial.account_id, request_id).request
        if view.status == "closed":
            if view.outcome not in ("fulfilled", "partial"):
                raise InvariantViolated("TRIAL_REFUSED", "A request of the trial was not fulfilled.")
            return
        if time.monotonic() > end:
            raise InvariantViolated("TRIAL_WAITS", "A request of the trial was not carried out in two minutes.")
        time.sleep(LOOK_SECONDS)
