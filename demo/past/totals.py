"""What was counted of the boat's battery before: half a year, as it is stored.

Nobody has lived through it. An owner who comes from a GX device gives such totals to
the action `reset_history`.
"""

from datetime import datetime, timedelta
from typing import Any

_DAYS = 183


def totals(now: datetime) -> dict[str, Any]:
    """Return the counters of the boat's battery, 200 Ah at 12 V, at this time."""
    return {
        "energy_charged": 113.42,
        "energy_discharged": 106.31,
        "solar_energy": 131.87,
        "mains_energy": 48.06,
        "load_energy": 172.82,
        "history": {
            "elapsed_s": _DAYS * 86_400.0,
            "covered_s": _DAYS * 86_400.0 * 0.985,
            "discharged_ah": 8042.0,
            "cycles": 40.21,
            "discharges": 77,
            "discharges_ah": 6083.0,
            "deepest_ah": 148.5,
            "running_ah": 106.0,
            "last_ah": 106.0,
            "full": False,
            "last_full": (now - timedelta(hours=47)).isoformat(),
            "min_voltage": 12.25,
            "max_voltage": 14.23,
        },
        "nominal_voltage": 12,
        "counted_at": now.isoformat(),
    }
