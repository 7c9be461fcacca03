"""Prompt tests: `pytest --cmd` runs notebooks, and each cell with a `--check` is a test.

`plugin` is all that pytest loads without `--cmd`. `notebook` reads the cells, `kernel` runs them,
`in_kernel` collects the checked answers there, `results` decides what has passed, `items` are the
tests as pytest knows them.
"""
