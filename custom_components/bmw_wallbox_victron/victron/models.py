"""Victron's product ids: what sends Instant Readout, and its name."""

MANUFACTURER = "Victron Energy"

#: Sends the record of a battery monitor, with nothing but voltage and temperature.
BATTERY_SENSE = frozenset({0xA3A4, 0xA3A5})
#: Measure batteries of up to 385 V.
HIGH_VOLTAGE_MONITORS = frozenset({0x0205, 0xA382})

#: Family -> ids and the rest of the names. Generations of a product share a name.
_FAMILIES = {
    "": """
        A380 BMV-710 Smart, A381 BMV-712 Smart, A382 BMV-710H Smart, A383 BMV-712 Smart,
        C034 BMV-800 Smart
    """,
    "SmartShunt": """
        A389 500A/50mV, A38A 1000A/50mV, A38B 2000A/50mV, C038 300A/50mV
    """,
    "SmartShunt IP67": """
        A38C 500A/50mV, A38D 1000A/50mV, A38E 2000A/50mV
    """,
    "SmartShunt IP65": """
        C030 500A/50mV, C031 1000A/50mV, C032 2000A/50mV, C035 500A/50mV,
        C036 1000A/50mV, C037 2000A/50mV
    """,
    "Smart Battery Sense": """
        A3A4, A3A5 (Rev2)
    """,
    "Smart BatteryProtect": """
        A3B0 12/24V-65A, A3B1 12/24V-100A, A3B2 12/24V-220A, A3B3 48V-100A
    """,
    "Lynx Smart BMS": """
        A3E5 500, A3E6 1000
    """,
    "Smart BMS": """
        A3E0 CL 12-100, A3E8 12-200
    """,
    "BlueSolar Charger MPPT": """
        0300 70/15, A040 75/50, A041 150/35, A042 75/15, A043 100/15, A044 100/30,
        A045 100/50, A046 150/70, A047 150/100, A048 75/50, A049 100/50, A04A 100/30,
        A04B 150/35, A04C 75/10, A04D 150/45, A04E 150/60, A04F 150/85, A066 100/20,
        A067 100/20 48V, A06F 150/45, A070 150/60, A071 150/70, A072 150/45,
        A076 100/30, A077 100/50, A078 150/35, A079 75/10, A07A 75/15, A07B 100/15,
        A07C 75/10, A07D 75/15
    """,
    "SmartSolar Charger MPPT": """
        A050 250/100, A051 150/100, A052 150/85, A053 75/15, A054 75/10, A055 100/15,
        A056 100/30, A057 100/50, A058 150/35, A059 150/100, A05A 150/85, A05B 250/70,
        A05C 250/85, A05D 250/60, A05E 250/60, A05F 100/20, A060 100/20 48V,
        A061 150/45, A062 150/60, A063 150/70, A064 250/85, A065 250/100, A068 250/60,
        A069 250/70, A06A 150/45, A06B 150/60, A06C 150/70, A06D 150/85, A06E 150/100,
        A073 150/45, A074 75/10, A075 75/15, A07E 100/30 12V
    """,
    "SmartSolar MPPT VE.Can": """
        A102 150/70, A103 150/45, A104 150/60, A105 150/85, A106 150/100, A107 250/45,
        A108 250/60, A109 250/70, A10A 250/85, A10B 250/100, A10C 150/70, A10D 150/85,
        A10E 150/100, A114 250/70, A115 250/100, A116 250/85
    """,
    "SmartSolar MPPT RS": """
        A110 450/100, A111 450/200
    """,
    "Smart Lithium Battery": """
        A0E0 12.8V/90Ah, A0E1 12.8V/60Ah, A0E2 12.8V/160Ah, A0E3 12.8V/200Ah,
        A0E4 12.8V/300Ah, A0E5 12.8V/100Ah, A0E6 12.8V/200Ah, A0E7 12.8V/300Ah,
        A0E8 12.8V/100Ah, A0E9 12.8V/150Ah, A0EA 25.6V/200Ah, A0EB 12.8V/200Ah,
        A0EC 12.8V/160Ah, A0ED 12.8V/50Ah, A0EE 25.6V/200Ah, A0EF 25.6V/100Ah,
        A0F0 12.8V/330Ah, A0F1 25.6V/330Ah, A0F2 12.8V/300Ah
    """,
    "Blue Smart IP65 Charger": """
        A301 12/10, A302 12/15, A303 24/8, A304 12/5, A305 12/7, A306 24/5, A307 12/4,
        A30A 12/25, A30B 24/13, A30F 12/7, A338 12/10, A339 12/15, A33A 24/5,
        A33B 24/8, A33C 12/5
    """,
    "Blue Smart IP65s Charger": """
        A308 12/4, A309 12/5, A30D 12/4, A30E 12/5
    """,
    "Blue Smart IP67 Charger": """
        A310 12/7, A311 12/13, A312 24/5, A313 12/17, A314 12/25, A315 24/8,
        A316 24/12, A317 12/7, A318 12/13, A319 24/5, A31A 12/17, A31B 12/25,
        A31C 24/8, A31D 24/12
    """,
    "Blue Smart IP22 Charger": """
        A320 12/15 (1), A321 12/15 (3), A322 12/20 (1), A323 12/20 (3),
        A324 12/30 (1), A325 12/30 (3), A326 24/8 (1), A327 24/8 (3), A328 24/12 (1),
        A329 24/12 (3), A32A 24/16 (1), A32B 24/16 (3), A32C 12/15 (1),
        A32D 12/15 (3), A32E 12/20 (1), A32F 12/20 (3), A330 12/30 (1),
        A331 12/30 (3), A332 24/8 (1), A333 24/8 (3), A334 24/12 (1), A335 24/12 (3),
        A336 24/16 (1), A337 24/16 (3)
    """,
    "Phoenix Smart IP43 Charger": """
        A340 12/50 (1+1) 230V, A341 12/50 (3) 230V, A342 24/25 (1+1) 230V,
        A343 24/25 (3) 230V, A344 12/30 (1+1) 230V, A345 12/30 (3) 230V,
        A346 24/16 (1+1) 230V, A347 24/16 (3) 230V, A350 12/50 (1+1) 120-240V,
        A351 12/50 (3) 120-240V, A352 24/25 (1+1) 120-240V, A353 24/25 (3) 120-240V,
        A354 12/30 (1+1) 120-240V, A355 12/30 (3) 120-240V, A356 24/16 (1+1) 120-240V,
        A357 24/16 (3) 120-240V
    """,
    "Orion Smart": """
        A3C0 12V/12V-18A DC-DC Converter, A3C1 12V/24V-10A DC-DC Converter,
        A3C2 24V/12V-20A DC-DC Converter, A3C3 24V/24V-12A DC-DC Converter,
        A3C4 24V/48V-6A DC-DC Converter, A3C5 48V/12V-20A DC-DC Converter,
        A3C6 48V/24V-12A DC-DC Converter, A3C7 48V/48V-6A DC-DC Converter,
        A3C8 12V/12V-30A DC-DC Converter, A3C9 12V/24V-15A DC-DC Converter,
        A3CA 24V/12V-30A DC-DC Converter, A3CB 24V/24V-17A DC-DC Converter,
        A3CC 24V/48V-8.5A DC-DC Converter, A3CD 48V/12V-30A DC-DC Converter,
        A3CE 48V/24V-16A DC-DC Converter, A3CF 48V/48V-8A DC-DC Converter,
        A3D0 12V/12V-30A Buck-Boost Converter, A3D1 12V/24V-15A Buck-Boost Converter,
        A3D2 24V/12V-30A Buck-Boost Converter, A3D3 24V/24V-17A Buck-Boost Converter
    """,
    "Orion XS": """
        A3F0 12V/12V-50A DC-DC battery charger
    """,
    "Phoenix Inverter": """
        A231 12V 250VA 230V, A232 24V 250VA 230V, A234 48V 250VA 230V,
        A239 12V 250VA 120V, A23A 24V 250VA 120V, A23C 48V 250VA 120V,
        A241 12V 375VA 230V, A242 24V 375VA 230V, A244 48V 375VA 230V,
        A249 12V 375VA 120V, A24A 24V 375VA 120V, A24C 48V 375VA 120V,
        A251 12V 500VA 230V, A252 24V 500VA 230V, A254 48V 500VA 230V,
        A259 12V 500VA 120V, A25A 24V 500VA 120V, A25C 48V 500VA 120V,
        A261 12V 800VA 230V, A262 24V 800VA 230V, A264 48V 800VA 230V,
        A269 12V 800VA 120V, A26A 24V 800VA 120V, A26C 48V 800VA 120V,
        A271 12V 1200VA 230V, A272 24V 1200VA 230V, A274 48V 1200VA 230V,
        A279 12V 1200VA 120V, A27A 24V 1200VA 120V, A27C 48V 1200VA 120V,
        A2E1 12V 800VA 230V, A2E2 24V 800VA 230V, A2E4 48V 800VA 230V,
        A2E9 12V 800VA 120V, A2EA 24V 800VA 120V, A2EC 48V 800VA 120V,
        A2F1 12V 1200VA 230V, A2F2 24V 1200VA 230V, A2F4 48V 1200VA 230V,
        A2F9 12V 1200VA 120V, A2FA 24V 1200VA 120V, A2FC 48V 1200VA 120V
    """,
    "Smart Phoenix Inverter": """
        A281 12V 2000VA 230V, A282 24V 2000VA 230V, A284 48V 2000VA 230V,
        A289 12V 2000VA 120V, A28A 24V 2000VA 120V, A28C 48V 2000VA 120V,
        A291 12V 2000VA 230V, A292 24V 2000VA 230V, A294 48V 2000VA 230V,
        A299 12V 2000VA 120V, A29A 24V 2000VA 120V, A29C 48V 2000VA 120V,
        A2A1 12V 3000VA 230V, A2A2 24V 3000VA 230V, A2A4 48V 3000VA 230V,
        A2A9 12V 3000VA 120V, A2AA 24V 3000VA 120V, A2AC 48V 3000VA 120V,
        A2B1 12V 5000VA 230V, A2B2 24V 5000VA 230V, A2B4 48V 5000VA 230V,
        A2B9 12V 5000VA 120V, A2BA 24V 5000VA 120V, A2BC 48V 5000VA 120V
    """,
    "Inverter RS": """
        A401 Solar 48V/6000VA/80A, A402 48V/6000VA
    """,
    "Multi RS Solar": """
        A441 48V/6000VA/100A, A442 48V/6000VA/100A, A443 48V/6000VA/100A,
        A444 48V/6000VA/100A
    """,
    "MultiPlus-II": """
        2605 12/3000/120-32, 2611 24/3000/70-32, 2615 24/5000/120-50,
        2619 48/15000/200-100, 2621 48/8000/110-100, 2623 48/5000/70-50,
        2625 48/3000/35-32, 2626 48/5000/70-50, 2627 48/10000/140-100/100,
        2628 48/3000/35-32, 2629 48/3000/35-32, 2705 12/3000/120-50 120V,
        2711 24/3000/70-50 120V, 2729 48/3000/35-50 120V, 2775 24/3000/70-50 2x120V,
        2780 12/3000/120-50 2x120V
    """,
    "MultiPlus": """
        2600 12/3000/120-50, 2609 12/3000/120-16, 2610 24/3000/70-50,
        2612 24/3000/70-16, 2614 24/5000/120-100, 2620 48/3000/35-50,
        2622 48/3000/35-16, 2624 48/5000/70-100, 2649 24/5000/120-50,
        2659 48/5000/70-50, 2660 12/500/20-16, 2661 12/800/35-16, 2662 12/1200/50-16,
        2663 12/1600/70-16, 2664 12/2000/80-32, 2665 24/500/10-16, 2666 24/800/16-16,
        2667 24/1200/25-16, 2668 24/1600/40-16, 2669 24/2000/50-32, 2670 48/500/6-16,
        2671 48/800/9-16, 2672 48/1200/13-16, 2673 48/1600/20-16, 2674 48/2000/25-32
    """,
    "VE.Bus Smart dongle": """
        A3A0
    """,
}

_NAMES = {
    int(model_id, 16): f"{family} {name}".strip()
    for family, members in _FAMILIES.items()
    for model_id, _, name in (
        item.strip().partition(" ") for item in members.split(",")
    )
}


def model_name(model_id: int) -> str:
    """Return the name of a product, or its number where the name is not known here."""
    return _NAMES.get(model_id) or f"Victron 0x{model_id:04X}"
