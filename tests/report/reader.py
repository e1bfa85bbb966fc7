"""A reader of the page, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

DESKTOP, PHONE = (1440, 900), (390, 844)
WAIT_MS = 90_000  # what a machine under load may take for what is there at once on a quiet one


class Reader:
    """A reader with the report open; `log` holds what the console said."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.log: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self.log.append(message.text))
        page.on("pageerror", lambda problem: self.log.append(str(problem)))
        self.open()

    def open(self, view: str = "") -> None:
        """Opens the report anew at a view."""
        self.page.goto("about:blank")
        self.page.goto(self.url + view)

    def open_case(self, name: str) -> None:
        """Searches for a case and opens it."""
        self.open()
        self.page.fill("#search", name)
        self.page.click(".row-link >> nth=0")
        self.page.wait_for_selector("#case-title")

    @property
    def names(self) -> list[str]:
        """The titles and names of the rows in sight."""
        return self.page.locator(".row-link").all_inner_texts()

    @property
    def hash(self) -> str:
        """The address after `#`."""
        return str(self.page.evaluate("location.hash"))
