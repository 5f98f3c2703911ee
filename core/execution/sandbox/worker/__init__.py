"""The side that runs what people wrote. It imports `wire` and `core.platform.confined` only, and stays small."""
