"""Setting up, signing in and signing out: plain HTML forms."""
