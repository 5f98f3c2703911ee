"""The steps of an erasure, in their order. Each may be killed anywhere and is then done again from its beginning."""

from core.privacy.erasure.clearing import clear_addresses, clear_books, clear_files, clear_mails, cut_logs
from core.privacy.erasure.ending import destroy_key, drain, freeze
from core.privacy.erasure.keeping import keep_held
from core.privacy.erasure.proving import certify, notify, prove
from core.privacy.erasure.recipients import end_analytics, end_payments
from core.privacy.erasure.rows import erase_rows
from core.privacy.steps import RightStep

ERASURE = (
    RightStep("freeze", "Every way into the account is closed, and nothing new begins.", "executing", freeze),
    RightStep("drain", "Runs under way end; what they used is charged, the rest is not.", "executing", drain),
    RightStep("keep", "What a legal hold is on is sealed with a key of its own.", "executing", keep_held),
    RightStep("key", "The key is destroyed: nothing of yours can be read any more.", "executing", destroy_key),
    RightStep("mails", "Mails to you are deleted.", "executing", clear_mails),
    RightStep("rows", "Everything in your account is deleted, the account last.", "executing", erase_rows),
    RightStep("addresses", "What is found by your address alone is deleted.", "executing", clear_addresses),
    RightStep("books", "Of the books, only what the law asks for is kept.", "executing", clear_books),
    RightStep("files", "Copies of your data that you asked for are deleted.", "executing", clear_files),
    RightStep("logs", "What deleted rows left in the files of the database is overwritten.", "executing", cut_logs),
    RightStep("payments", "Subscriptions end, and Stripe deletes you as a customer.", "propagating", end_payments),
    RightStep("analytics", "Analytics delete you, where they know people.", "propagating", end_analytics),
    RightStep("prove", "Every store is searched for you, and nothing is found.", "verifying", prove),
    RightStep("certify", "The certificate is written.", "verifying", certify),
    RightStep("notify", "You are told, and the last of it is destroyed.", "verifying", notify),
)
