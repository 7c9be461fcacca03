"""Recorded answers: the file format of cassettes, the look-up of a request and its differences.

It does not know httpx; `client.cassette_transport` uses it.
"""
