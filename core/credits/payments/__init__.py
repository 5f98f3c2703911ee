"""Payment: what is sold, through whom it is paid, and what follows from it for a person's plan and credits.

Stripe is the only one who knows what was paid. What is kept here is a copy that can be made again at any time: every
change begins with asking Stripe how things stand now, so it does not matter in which order, how often or how late an
event tells of it.
"""
