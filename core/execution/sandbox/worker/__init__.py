"""The side that runs what people wrote. Imports nothing of the project but `wire`, and stays small."""
