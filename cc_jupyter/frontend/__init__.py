"""The kernel's side of the page: the comm protocol, its handlers and the model picker.

The JupyterLab extension is the other side.
"""
