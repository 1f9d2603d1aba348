from bleak.backends.scanner import AdvertisementData

def bms_advertisements(
    bms_type: str | None = None,
) -> list[tuple[AdvertisementData, str, str, list[str]]]: ...
