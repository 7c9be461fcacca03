"""Cassettes: recorded answers in a file, so that a notebook runs again without key and network.

`recording` is one answer and its line in the file, `cassette` the file itself, `tape` decides for
each request whether to replay or to record, `diff` names what differs from the nearest recording.
Nothing here knows HTTP; `client.cassette_transport` does.
"""
