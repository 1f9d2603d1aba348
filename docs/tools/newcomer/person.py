"""How a person uses the pages: reads, clicks, types."""

from pathlib import Path
import re

from playwright.async_api import Locator, Page

from ..browser import settle, take


class Person:
    """Reads, clicks and types in a page, and takes pictures of it."""

    def __init__(self, page: Page, folder: Path) -> None:
        """Sit down before a page; pictures go to the folder."""
        self.page = page
        self._folder = folder
        self.pictures = 0

    async def picture(
        self,
        name: str,
        *,
        page: Page | None = None,
        width: int | None = None,
        whole: bool = False,
    ) -> None:
        """Take the next picture, of this page or another one; `width` px of it.

        `whole`: beyond the window, too.
        """
        self.pictures += 1
        # Nothing is pointed at: that would show its tooltip.
        await self.page.mouse.move(0, 799)
        file = f"{self.pictures:02}-{name}.png"
        await take(page or self.page, self._folder / file, width=width, whole=whole)

    async def click(self, name: str, *, inside: str | Locator | None = None) -> None:
        """Click a button by what is written on it, in a part of the page."""
        part: Page | Locator = self.page
        if inside is not None:
            part = self.page.locator(inside) if isinstance(inside, str) else inside
        await part.get_by_role("button", name=name, exact=True).last.click()
        await settle(self.page)

    async def follow(self, text: str, *, inside: str = "body") -> None:
        """Click a text."""
        found = self.page.locator(inside).get_by_text(text, exact=True)
        await found.filter(visible=True).last.click()
        await settle(self.page)

    async def read(self, text: str | re.Pattern[str]) -> str:
        """Wait until a text is there and return all of the paragraph."""
        found = self.page.get_by_text(text).filter(visible=True).last
        await found.wait_for()
        return str(await found.inner_text())

    def field(self, label: str) -> Locator:
        """Find a field of a form by what it begins with."""
        begins = re.compile(rf"^\s*{re.escape(label)}\b")
        return self.page.locator("ha-selector").filter(has_text=begins)

    async def type(self, text: str, *, into: str | Locator) -> None:
        """Type into a field, in place of what is there."""
        field = self.field(into) if isinstance(into, str) else into
        await field.locator("input, textarea").first.click()
        await self.page.keyboard.press("ControlOrMeta+a")
        await self.page.keyboard.type(text)

    async def pick(self, entity: str, *, into: str) -> None:
        """Pick an entity, by its name."""
        field = self.field(into)
        await field.locator("ha-entity-picker").click()
        await settle(self.page)
        await self.page.keyboard.type(entity)
        await settle(self.page)
        items = self.page.locator("ha-combo-box-item").filter(visible=True)
        await items.filter(has_text=entity).first.click()
        await settle(self.page)

    async def paste(self, text: str) -> None:
        """Paste into the editor of the page, in place of what is there."""
        editor = self.page.locator("ha-code-editor .cm-content").last
        await editor.click()
        await self.page.keyboard.press("ControlOrMeta+a")
        await editor.evaluate(
            """(editor, text) => {
              const data = new DataTransfer();
              data.setData("text/plain", text);
              editor.dispatchEvent(new ClipboardEvent("paste", {
                clipboardData: data, bubbles: true, cancelable: true }));
            }""",
            text,
        )
        await settle(self.page)

    async def open_settings(self, name: str) -> None:
        """Open a page of the settings."""
        await self.follow("Settings", inside="ha-sidebar")
        await self.follow(name, inside="ha-panel-config")
