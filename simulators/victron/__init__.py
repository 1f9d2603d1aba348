"""Simulated Victron devices: real encrypted Instant Readout advertisements."""

from .encode import COMPANY_ID, Encodable, advertise, encode, seal
from .records import RECORDS, Kind

__all__ = [
    "COMPANY_ID",
    "RECORDS",
    "Encodable",
    "Kind",
    "advertise",
    "encode",
    "seal",
]
