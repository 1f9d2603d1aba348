"""What a wallbox is, as it says itself."""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the wallbox says of itself; None: not said yet."""

    vendor: str | None = None
    """ChargingStation.vendorName."""
    model: str | None = None
    """ChargingStation.model."""
    serial_number: str | None = None
    """ChargingStation.serialNumber."""
    firmware_version: str | None = None
    """ChargingStation.firmwareVersion."""

    def known(self) -> bool:
        """Return whether nothing is left to ask for."""
        return self.vendor is not None and self.model is not None

    def completed_by(self, newer: Identity) -> Identity:
        """Take from `newer` all that it says."""
        return replace(
            self,
            **{
                item.name: value
                for item in fields(newer)
                if (value := getattr(newer, item.name)) is not None
            },
        )


@dataclass(frozen=True, slots=True)
class Light:
    """The light of the wallbox."""

    component: str
    """Component of the device model that has it."""
    variable: str
    """Variable of that component."""
    brightness: int
    """How bright it is, %."""
