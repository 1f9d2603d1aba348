"""What is logged."""

from collections.abc import Iterable
import logging

import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what was logged as an error, and what Home Assistant finds wrong with us."""
    records = caplog.get_records("setup") + caplog.get_records("call")
    return [
        record.getMessage()
        for record in records
        if record.levelname in ("ERROR", "CRITICAL")
        or "Detected that custom integration" in record.getMessage()
    ]


#: Who logs in our name: we, and the libraries that we call.
OURS = (f"custom_components.{DOMAIN}", "ocpp", "websockets", "aiobmsble", "bleak")


class Log:
    """What was logged."""

    def __init__(
        self, caplog: pytest.LogCaptureFixture, secrets: Iterable[str]
    ) -> None:
        """Take all of us, at every level."""
        caplog.set_level(logging.INFO)
        for name in OURS:
            caplog.set_level(logging.DEBUG, name)
        self._caplog = caplog
        self._secrets = tuple(secrets)
        self._seen = 0

    def lines(self) -> list[logging.LogRecord]:
        """Give what was logged since the last look, as far as somebody may read it.

        Of us everything above DEBUG, of all others warnings and worse.
        """
        records = self._caplog.get_records("setup") + self._caplog.get_records("call")
        new, self._seen = records[self._seen :], len(records)
        for record in new:
            told = record.getMessage()
            assert not [each for each in self._secrets if each in told], told
        return [
            record
            for record in new
            if record.levelno
            > (logging.DEBUG if record.name.startswith(OURS) else logging.INFO)
        ]

    def texts(self) -> list[str]:
        """Give the same as texts, with their levels."""
        return [f"{each.levelname} {each.getMessage()}" for each in self.lines()]
