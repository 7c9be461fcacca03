"""The IPython extension: `%cmd`, `%%cmd`, input transforms and completion."""
