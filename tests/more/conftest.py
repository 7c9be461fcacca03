"""A JupyterLab in which several people edit one notebook, and the pages that they see."""

from __future__ import annotations

from browser.conftest import lab_provider, provider

__all__ = ("lab_provider", "provider")
