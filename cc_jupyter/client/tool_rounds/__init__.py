"""Rounds of tool calls and results on the wire; loaded only with tools."""
