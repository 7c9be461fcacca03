"""Work with language models in a notebook: `%%cmd` cells for the Command Code Provider API."""

__version__ = "0.1.0"
