"""The answers of `notebooks/08-tools.ipynb`, as a model that calls tools would write them."""

from __future__ import annotations

from support.provider import ToolCall, answer

ANSWERS = (
    answer("Let me look.", calls=[ToolCall("lookup", {"city": "Rome"})]),
    answer("Ada owes 120.00 € and Dan 45.50 €, together 165.50 €."),
    answer("", calls=[ToolCall("lookup", {"city": "Rome"})]),
    answer("", calls=[ToolCall("save", {"path": "rome.txt", "names": ["Ada", "Dan"]})]),
    answer("Ada and Dan owe us money, but I could not save the list."),
    answer("", calls=[ToolCall("balance", {"customer": "cleo"})]),
    answer("", calls=[ToolCall("balance", {"customer": "Cleo"})]),
    answer("Cleo owes 80.00 €."),
)
"""In the order of the requests."""
