"""The kinds of step: one module a kind says how it is written, what it reads and what it may do to the flow."""
