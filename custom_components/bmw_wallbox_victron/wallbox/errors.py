"""What can go wrong with a wallbox."""


class CallFailedError(Exception):
    """A call to the wallbox had no success; `reason` says why, in a few words."""

    def __init__(self, action: str, reason: str) -> None:
        """Name the action and the reason."""
        super().__init__(f"{action}: {reason}")
        self.reason = reason
