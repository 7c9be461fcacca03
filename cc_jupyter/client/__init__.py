"""Sends one request to a provider and reads its answer as events.

It knows both wire formats, the network and the local model; it knows nothing of conversations.
"""
