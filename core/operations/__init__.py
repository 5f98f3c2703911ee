"""What who operates an installation watches: whether it is ready, and what it measures."""
