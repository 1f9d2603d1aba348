"""Names shared by the Home Assistant half."""

from typing import Final

from homeassistant.const import Platform

from .charging.settings import MIN_CURRENT_A

DOMAIN: Final = "bmw_wallbox_victron"
NAME: Final = "BMW Wallbox & Victron"
PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CALENDAR,
    Platform.DATETIME,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TIME,
)

ATTR_FLAGS: Final = "flags"
ATTR_LIMIT: Final = "limit"
ATTR_MESSAGE: Final = "message"
ATTR_PENDING: Final = "pending"
ATTR_SILENT: Final = "silent"
ATTR_SLOTS: Final = "slots"
ATTR_UNTIL: Final = "until"

CONF_ALLOWED_TOKENS: Final = "allowed_tokens"
CONF_ALLOW_REBOOT: Final = "allow_reboot"
CONF_BMS_BANK: Final = "bms_bank"
CONF_CAPACITY_AH: Final = "capacity_ah"
CONF_CHARGE_POINT_ID: Final = "charge_point_id"
CONF_CHEMISTRY: Final = "chemistry"
CONF_ENCRYPTION_KEY: Final = "encryption_key"
CONF_EXTERNAL_LIMIT: Final = "external_limit"
CONF_FALLBACK_MIN: Final = "fallback_min"
CONF_FEED_IN_PRICE: Final = "feed_in_price"
CONF_FIXED_PRICE: Final = "fixed_price"
CONF_FRESHNESS_TIMEOUT: Final = "freshness_timeout"
CONF_GRID_EXPORT: Final = "grid_export"
CONF_GRID_POWER: Final = "grid_power"
CONF_GRID_POWER_INVERTED: Final = "grid_power_inverted"
CONF_HOST: Final = "host"
"""Address to listen on; absent: all. Not in the form: the demo and the tests set it."""
CONF_HOUSE_CURRENTS: Final = (
    "house_current_l1",
    "house_current_l2",
    "house_current_l3",
)
CONF_MAINS_CURRENT: Final = "mains_current"
CONF_MAINS_POWER: Final = "mains_power"
CONF_MAINS_SWITCH: Final = "mains_switch"
CONF_MAIN_BMS: Final = "main_bms"
CONF_MAIN_FUSE: Final = "main_fuse"
CONF_MAIN_MONITOR: Final = "main_monitor"
CONF_MAX_CURRENT: Final = "max_current"
CONF_METER_INTERVAL: Final = "meter_interval"
CONF_METER_TIMEOUT: Final = "meter_timeout"
CONF_MODEL: Final = "model"
CONF_NOMINAL_VOLTAGE: Final = "nominal_voltage"
CONF_PHASE_ORDER: Final = "phase_order"
CONF_PRICE: Final = "price"
CONF_RFID_TOKEN: Final = "rfid_token"  # noqa: S105 - a field's name
CONF_SAFE_CURRENT: Final = "safe_current"
CONF_SECRET: Final = "secret"  # noqa: S105 - a field's name
CONF_SSL_CERT: Final = "ssl_cert"
CONF_SSL_KEY: Final = "ssl_key"

DEFAULT_FRESHNESS_TIMEOUT: Final = 300
DEFAULT_MAX_CURRENT: Final = 32
DEFAULT_METER_INTERVAL: Final = 10
DEFAULT_PORT: Final = 9000
DEFAULT_SSL_CERT: Final = "/ssl/fullchain.pem"
DEFAULT_SSL_KEY: Final = "/ssl/privkey.pem"
DEFAULT_METER_TIMEOUT: Final = 60
DEFAULT_SAFE_CURRENT: Final = 6
MAX_CAPACITY_AH: Final = 20_000
MAX_FALLBACK_MIN: Final = 60
MAX_MAIN_FUSE: Final = 125
MAX_METER_TIMEOUT: Final = 600
MAX_PRICE: Final = 100_000
MAX_SAFE_CURRENT: Final = 32
MAX_TARGET_ENERGY: Final = 100
MAX_CURRENT: Final = 63
MAX_FRESHNESS_TIMEOUT: Final = 900
MAX_METER_INTERVAL: Final = 60
MIN_CURRENT: Final = int(MIN_CURRENT_A)
MIN_FALLBACK_MIN: Final = 6
MIN_MAIN_FUSE: Final = 16
MIN_METER_TIMEOUT: Final = 60
MIN_FRESHNESS_TIMEOUT: Final = 30
MIN_METER_INTERVAL: Final = 5

PHASE_ORDER_UNKNOWN: Final = "unknown"
PHASE_ORDERS: Final = (
    "unknown",
    "123",
    "231",
    "312",
    "132",
    "213",
    "321",
    "1",
    "2",
    "3",
)

NOMINAL_AUTO: Final = "auto"
NOMINAL_VOLTAGES: Final = ("12", "24", "36", "48")

SUBENTRY_BMS: Final = "bms"
SUBENTRY_VICTRON: Final = "victron_device"
SUBENTRY_WALLBOX: Final = "wallbox"
BATTERY_DEVICE: Final = "battery"
SERVER_DEVICE: Final = "server"
