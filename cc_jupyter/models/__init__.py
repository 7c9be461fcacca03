"""Which models exist, what they can do and what they cost.

The registry merges the bundled catalog, the provider's `/models` and the user's own entries.
"""
