"""Turns with tools: several requests and the calls between them; loaded only with tools."""
