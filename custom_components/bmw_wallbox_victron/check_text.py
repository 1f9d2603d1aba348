"""What a check of a wallbox found, in the owner's language."""

from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_cached_translations

from .const import DOMAIN
from .wallbox.findings import CheckResult, Finding, Verdict

_LINE: Final = ".selector.check_line.options."
_VERDICT: Final = ".selector.check_verdict.options."
_DETAIL: Final = ".selector.check_detail.options."
_TEXT: Final = ".selector.check_text.options."
#: The first is what an owner wants to know.
_ORDER: Final = (Verdict.DIFFERS, Verdict.NOT_TRIED, Verdict.AS_EXPECTED)


class CheckTexts:
    """The sentences of a check."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Take them in the language of the moment."""
        self._texts = async_get_cached_translations(
            hass, hass.config.language, "selector", DOMAIN
        )

    def _text(self, place: str, key: str) -> str:
        """Return a text by its place in the translations."""
        return self._texts.get(f"component.{DOMAIN}{place}{key}", key)

    def item(self, finding: Finding) -> dict[str, str | None]:
        """Return what is said of a line: keys for programs, texts for people."""
        details = [self._text(_DETAIL, each) for each in finding.details]
        return {
            "line": str(finding.line),
            "text": self._text(_LINE, finding.line),
            "verdict": str(finding.verdict),
            "detail": " ".join(details) or None,
        }

    def title(self, name: str, *, done: bool) -> str:
        """Return the title of the notification."""
        key = "title" if done else "failed"
        return self._text(_TEXT, key).format(name=name)

    def message(self, result: CheckResult) -> str:
        """Return the notification, in Markdown."""
        parts: list[str] = []
        if all(each.verdict is not Verdict.DIFFERS for each in result.findings):
            parts.append(self._text(_TEXT, "nothing"))
        for verdict in _ORDER:
            findings = [each for each in result.findings if each.verdict is verdict]
            if findings:
                heading = self._text(_VERDICT, verdict)
                lines = [self._line(each) for each in findings]
                parts.append("\n".join((f"**{heading}**\n", *lines)))
        parts.append(self._text(_TEXT, "trace"))
        return "\n\n".join(parts)

    def _line(self, finding: Finding) -> str:
        item = self.item(finding)
        detail = item["detail"]
        return f"- {item['text']}" + ("" if detail is None else f": {detail}")
