"""Blind votes on the answers of a grid: ballots, what the votes say, and the table of it."""
