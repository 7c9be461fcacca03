"""The bodies of requests in both wire formats, with what limits images and asks for structure."""
