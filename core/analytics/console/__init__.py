"""The SQL console of admins: questions in SQL over relations in which nobody is named.

domain.py       what is asked and answered, and the limits
commands.py     ask: who may, how many at once, what is recorded
queries.py      the history of an admin
copies.py       the data of a question, put into a file for a few minutes
exchange.py     one question: its process, its time, no more read than allowed
child.py        the other side: DuckDB with its doors shut
downloads.py    an answer as CSV and as Parquet
"""
