"""Measurements as ratios: each value stands beside a limit or a peer measured in the same run."""
