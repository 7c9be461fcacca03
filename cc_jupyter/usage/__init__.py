"""What requests cost: sums, budgets, estimates and reports.

The package reads recorded turns and never sends a request.
"""
