"""The model that runs on this machine without a key: its weights, its process and its server."""
