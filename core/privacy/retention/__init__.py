"""Retention: what is deleted when its time is over, what is kept longer by law, and what was deleted."""
