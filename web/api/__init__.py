"""The REST API: one module a resource, thin over the commands and queries of the core."""
