"""What a process gives up before it reads a line that a person wrote. Imports the standard library and DuckDB only."""
