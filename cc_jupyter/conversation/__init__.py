"""Threads, their turns and the history that keeps them.

Only `store` knows SQL.
"""
