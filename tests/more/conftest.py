"""A JupyterLab in which several people edit one notebook, and the pages that they see."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest
from browser.conftest import kernel_environment, lab_provider, provider
from playwright.sync_api import expect
from support.lab_harness import CHROMIUM, LAUNCH, VIEWPORT, running_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.lab_harness import Lab
    from support.provider import Provider

__all__ = ("lab_provider", "provider")
