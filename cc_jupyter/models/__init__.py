"""Which models exist, what they can do and what they cost.

The list joins the bundled catalog, the provider's `/models` and the user's own entries.
"""
