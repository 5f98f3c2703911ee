"""Known texts with what must be found in each, and with nothing in it: the detector's test of itself (promise P09)."""

from core.shared.personal_data.detector import find

# Numbers of nobody: examples of the standards and of the issuers' own documentation.
FOUND: tuple[tuple[str, str, str], ...] = (
    ("EMAIL", "Write to ada.lovelace+notes@mail.example.org, please.", "ada.lovelace+notes@mail.example.org"),
    ("EMAIL", '{"to": "o\'hara@example.co.uk"}', "o'hara@example.co.uk"),
    ("EMAIL", "<mailto:jean-françois@exemple.fr>", "jean-françois@exemple.fr"),
    ("PHONE", "Appelez le 06 12 34 56 78 demain.", "06 12 34 56 78"),
    ("PHONE", "mobile 0612345678", "0612345678"),
    ("PHONE", "Call +33 1 70 18 99 00 12 times", "+33 1 70 18 99 00"),
    ("PHONE", "+49 30 901820 or 0049 30 901820", "+49 30 901820"),
    ("PHONE", "Tel. 020 7946 0958", "020 7946 0958"),
    ("PHONE", "(202) 456-1111", "(202) 456-1111"),
    ("IBAN", "IBAN FR14 2004 1010 0505 0001 3M02 606 EUR", "FR14 2004 1010 0505 0001 3M02 606"),
    ("IBAN", "to DE89370400440532013000.", "DE89370400440532013000"),
    ("IBAN", "gb29 nwbk 6016 1331 9268 19", "gb29 nwbk 6016 1331 9268 19"),
    ("CARD", "card 4242 4242 4242 4242 exp 12/30", "4242 4242 4242 4242"),
    ("CARD", "5555555555554444", "5555555555554444"),
    ("CARD", "3782-822463-10005", "3782-822463-10005"),
    ("NATIONAL_ID", "NIR : 2 95 10 99 126 111 93", "2 95 10 99 126 111 93"),
    ("NATIONAL_ID", "codice RCCMNL83S18D969H", "RCCMNL83S18D969H"),
    ("NATIONAL_ID", "DNI 54362315K", "54362315K"),
    ("NATIONAL_ID", "85.07.30-033.28", "85.07.30-033.28"),
    ("NATIONAL_ID", "Steuer-ID: 36 574 261 809", "36 574 261 809"),
    ("NATIONAL_ID", "880320-0016", "880320-0016"),
    ("NATIONAL_ID", "131052-308T", "131052-308T"),
    ("NATIONAL_ID", "BSN 111222333", "111222333"),
    ("NATIONAL_ID", "PESEL 44051401359", "44051401359"),
    ("NATIONAL_ID", "SSN 536-90-4399", "536-90-4399"),
    ("IP", "from 81.2.69.142 at noon", "81.2.69.142"),
    ("IP", "2001:4860:4860::8888", "2001:4860:4860::8888"),
    ("BIRTH_DATE", "born in London on 10 December 1985", "10 December 1985"),
    ("BIRTH_DATE", "née le 12/03/1985 à Angers", "12/03/1985"),
    ("BIRTH_DATE", '{"date_of_birth": "1985-03-12"}', "1985-03-12"),
    ("BIRTH_DATE", "geboren am 3. Mai 1985", "3. Mai 1985"),
)
NOTHING: tuple[str, ...] = (
    "Summarise the text below in three sentences.",
    "The meeting is on 12/03/2026 at 10:30, room 204.",
    "Version 1.2.3.4 of the library, build 10.0.17763.1",
    "See logo@2x.png and react@18.2.0, or clone git@github.com:org/repo.git",
    "postgres://name:secret-word@db.example.org/main",
    "Order 4711-0815-2342, total 1 234 567,89 EUR",
    "Invoice 0123456789 of 2026-01-15",
    "4242 4242 4242 4241 fails the check, and so does 1234 5678 9012 3456",
    "FR14 2004 1010 0505 0001 3M02 607",
    "Servers 10.0.0.1, 192.168.1.20 and 127.0.0.1",
    "id 01a220f7-2ef8-76db-81a5-76019566a8c9, epoch 1700000000000",
    "std::vector<int> a; x::y::z; 12:30:45",
    "The 44051401359 bytes and 36574261809 rows were counted",
    "ISBN 978-3-16-148410-0, EAN 4006381333931",
    "π = 3.14159265358979323846, 100000000000000000000",
    "The battle of 14 October 1066 and the treaty of 7 June 1494",
)


def failed_samples() -> tuple[str, ...]:
    """What the detector gets wrong, in words; empty when it works. A missed sample, or something where nothing is."""
    wrong = []
    for kind, text, value in FOUND:
        if (kind, value) not in [(each.kind, text[each.start : each.end]) for each in find(text)]:
            wrong.append(f"{kind} not found: {text}")
    for text in NOTHING:
        wrong += [f"{each.kind} found in: {text}" for each in find(text)]
    return tuple(wrong)
