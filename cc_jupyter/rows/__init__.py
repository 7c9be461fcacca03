"""Rows: one prompt over a table, one answer a row. Importing it registers the accessor `.cmd`."""

from cc_jupyter.rows.accessors import register

register()
