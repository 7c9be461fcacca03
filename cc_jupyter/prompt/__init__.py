"""Turns a cell into a prompt: its options, the values in `{{ }}`, images and output types.

It reads the user's namespace and sends nothing.
"""
