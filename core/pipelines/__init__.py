"""The pipeline language: definition, parsing, validation, templates, versions, diff."""
