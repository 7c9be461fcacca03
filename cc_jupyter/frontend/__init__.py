"""The kernel's side of the page: the comm protocol, its handlers and the model picker.

The browser's side is the JupyterLab extension.
"""
