"""The rules of stepIQ, free of any web or page framework."""
