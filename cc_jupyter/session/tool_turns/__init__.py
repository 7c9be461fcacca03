"""Turns with tools: several requests and the calls between them; loaded for tools and for rows."""
