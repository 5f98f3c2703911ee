"""Pages that exist only in development."""
