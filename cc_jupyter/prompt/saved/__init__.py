"""Saved prompts: the form of their files, and the folders they are in."""
