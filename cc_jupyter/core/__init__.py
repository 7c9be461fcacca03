"""The vocabulary of every other package: errors, events, messages, replies, money and text.

It imports no other package of cc_jupyter, and nothing in it sends, stores or draws anything.
"""
