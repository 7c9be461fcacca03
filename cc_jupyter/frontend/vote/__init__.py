"""The blind vote on a grid: its widget, its form in a terminal, and the `%cmd vote` command."""
