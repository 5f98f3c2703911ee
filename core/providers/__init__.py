"""Model vendors behind one port: the catalogue with prices and terms, token estimates, adapters."""
