"""Files people bring: stored encrypted, known by their content, read by their owner only."""
