"""Debian's chromium: pages in it, and the marks of tests that need it."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import Page, async_playwright

INSTALLED: Final = shutil.which("chromium")
NEEDED: Final = [
    pytest.mark.slow,
    pytest.mark.skipif(INSTALLED is None, reason="no chromium is installed: apt install chromium"),
]
WAIT_MS: Final = 60_000
_OPTIONS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
)


@asynccontextmanager
async def pages(*sizes: Any) -> AsyncGenerator[list[Page]]:
    """A page for each size, on a device of its own; None is a usual screen. An error in a page's script fails the test."""
    problems: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=INSTALLED, args=_OPTIONS)
        try:
            found = [await (await browser.new_context(viewport=size)).new_page() for size in sizes]
            for page in found:
                page.set_default_timeout(WAIT_MS)
                page.on("pageerror", lambda error: problems.append(str(error)))
            yield found
        finally:
            await browser.close()
    assert problems == []
