"""Settings and credentials: where they come from, which source wins, and how they are checked.

Reading them sends nothing; the key never appears in what they show.
"""
