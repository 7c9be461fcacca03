"""Rows: one prompt over a table, one answer a row."""
