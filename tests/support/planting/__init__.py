"""A person with something of theirs in every place where this project keeps anything, through every way in."""
