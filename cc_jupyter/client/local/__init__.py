"""The model that runs on this machine without a key: its weights, its process and its server."""

MODEL_ID = "smollm2-135m-instruct"
DISPLAY_NAME = "SmolLM2-135M-Instruct"
CONTEXT_TOKENS = 4096
"""8192 works too, but takes 92 MB more and half a minute to read a full prompt."""
