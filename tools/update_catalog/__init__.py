"""Update `catalog.toml` from a price table in Markdown; `make prices` runs it."""
