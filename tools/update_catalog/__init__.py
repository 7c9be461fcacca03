"""Bring `catalog.toml` up to date from a price table in Markdown; `make prices` runs it."""
