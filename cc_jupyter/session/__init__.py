"""The pipeline: prepares a request, streams its answer and records the turn.

Every entry point (a cell, a line, `ask`, the page) uses the one shared session.
"""
