"""Draws an answer while it streams: in a notebook, a terminal or a pipe.

Every text a model wrote passes `markdown` on its way to a page.
"""
