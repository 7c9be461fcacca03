"""Update the catalog of models from a price table in Markdown; `make prices` runs it."""
