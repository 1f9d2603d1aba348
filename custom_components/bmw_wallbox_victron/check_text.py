"""What a check of a wallbox found, in the owner's language."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_cached_translations

from .const import DOMAIN
from .wallbox.findings import CheckResult, Finding, Verdict

#: The first is what an owner wants to know.
_ORDER = (Verdict.DIFFERS, Verdict.NOT_TRIED, Verdict.AS_EXPECTED)


class CheckTexts:
    """The sentences of a check."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Take them in the language of the moment."""
        self._texts = async_get_cached_translations(
            hass, hass.config.language, "selector", DOMAIN
        )

    def _text(self, selector: str, key: str) -> str:
        place = f"component.{DOMAIN}.selector.{selector}.options.{key}"
        return self._texts.get(place, key)

    def item(self, finding: Finding) -> dict[str, str | None]:
        """Return what is said of a line: keys for programs, texts for people."""
        details = [self._text("check_detail", each) for each in finding.details]
        return {
            "line": str(finding.line),
            "text": self._text("check_line", finding.line),
            "verdict": str(finding.verdict),
            "detail": " ".join(details) or None,
        }

    def title(self, name: str, *, done: bool) -> str:
        """Return the title of the notification."""
        key = "title" if done else "failed"
        return self._text("check_text", key).format(name=name)

    def message(self, result: CheckResult) -> str:
        """Return the notification, in Markdown."""
        parts: list[str] = []
        if all(each.verdict is not Verdict.DIFFERS for each in result.findings):
            parts.append(self._text("check_text", "nothing"))
        for verdict in _ORDER:
            findings = [each for each in result.findings if each.verdict is verdict]
            if findings:
                heading = self._text("check_verdict", verdict)
                lines = [self._line(each) for each in findings]
                parts.append("\n".join((f"**{heading}**\n", *lines)))
        parts.append(self._text("check_text", "trace"))
        return "\n\n".join(parts)

    def _line(self, finding: Finding) -> str:
        item = self.item(finding)
        detail = item["detail"]
        return f"- {item['text']}" + ("" if detail is None else f": {detail}")
