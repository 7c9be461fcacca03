"""The model that runs on this machine without a key: its weights, its process and its server."""

MODEL_ID = "smollm2-135m-instruct"
DISPLAY_NAME = "SmolLM2-135M-Instruct"
