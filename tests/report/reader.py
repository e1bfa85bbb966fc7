"""A reader of the page, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

DESKTOP, PHONE = (1440, 900), (390, 844)
WAIT_MS = 90_000  # what a machine under load may take for what is there at once on a quiet one


class Reader:
    """A reader with the report open; `log` holds what the console and dialogs said, `asked` the addresses asked for."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.log: list[str] = []
        self.asked: list[str] = []
        self._heard: dict[Any, Any] = {
            "console": lambda message: self.log.append(message.text),
            "pageerror": lambda problem: self.log.append(str(problem)),
            "dialog": self._dismiss,
            "request": lambda request: self.asked.append(request.url),
        }
        page.set_default_timeout(WAIT_MS)
        for event, hear in self._heard.items():
            page.on(event, hear)
        self.open()

    def _dismiss(self, dialog: Dialog) -> None:
        self.log.append(dialog.message)
        dialog.dismiss()

    def leave(self) -> None:
        """Leaves the page as it was found: nothing is open, kept, listened to or under the pointer."""
        if self.page.url != "about:blank":
            self.page.evaluate("localStorage.clear()")
        self.page.goto("about:blank")
        self.page.mouse.move(0, 0)
        for event, hear in self._heard.items():
            self.page.remove_listener(event, hear)

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


class Readers:
    """Readers who come one after another to one page: a new one takes Chromium a second of processor time."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self._page: Page | None = None

    @contextmanager
    def at(self, url: str, size: tuple[int, int] = DESKTOP, theme: Literal["light", "dark"] = "light") -> Iterator[Reader]:
        """A reader with the report open in a window of a size; after a problem the next one gets a new page."""
        page, self._page = self._page or self.browser.new_context().new_page(), None
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(media="null", color_scheme=theme)
        reader = Reader(page, url)
        yield reader
        reader.leave()
        self._page = page
