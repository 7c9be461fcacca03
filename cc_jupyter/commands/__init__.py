"""The `%cmd NAME` commands: one module for each family, one registry that declares and runs them.

The page and the picker call the same functions as `%cmd`.
"""
