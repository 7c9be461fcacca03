"""Comparing many attempts: plans, grids, checks and the statistics of votes."""
