"""Threads, their turns and the history that stores them.

SQL is used only in `store`.
"""
