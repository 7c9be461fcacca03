"""Threads, their turns and the history that stores them.

Only `store` uses SQL.
"""
