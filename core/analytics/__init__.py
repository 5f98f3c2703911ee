"""Usage in numbers: anonymous events, the lake they are kept in, and what is asked of it."""
