"""What requests cost: sums, budgets, estimates and reports.

It reads what the history recorded and never sends a request.
"""
