"""Victron's product ids: what sends Instant Readout, names, and nominal currents."""

from collections.abc import Iterator
import re
from types import MappingProxyType

MANUFACTURER = "Victron Energy"

#: Sends the record of a battery monitor, with nothing but voltage and temperature.
BATTERY_SENSE = frozenset({0xA3A4, 0xA3A5})
#: Measure batteries of up to 385 V.
HIGH_VOLTAGE_MONITORS = frozenset({0x0205, 0xA382})

#: Family -> ids and the rest of the names. Generations of a product share a name.
_FAMILIES = {
    "": """
        0200 BMV-600S, 0201 BMV-602S, 0202 BMV-600HS, 0203 BMV-700, 0204 BMV-702,
        0205 BMV-700H, A000 Skylla-IP44/IP65 battery charger,
        A07F All-In-1 SmartSolar MPPT 75/15 12V, A131 Lynx Smart Shunt 1000A VE.Can,
        A182 VE.Direct Bluetooth Smart Dongle, A1B0 Smart Energy Meter,
        A300 Blue Smart Charger - Generic, A37D Vector 12/20 Smart,
        A380 BMV-710 Smart, A381 BMV-712 Smart, A382 BMV-710H Smart,
        A383 BMV-712 Smart, A3EC smallBMS, A400 MultiC - Generic,
        A480 Multi 15kVA 3phase, C033 All-In-1 Smart, C034 BMV-800 Smart
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
        A07C 75/10, A07D 75/15, A101 150/85
    """,
    "SmartSolar Charger MPPT": """
        A050 250/100, A051 150/100, A052 150/85, A053 75/15, A054 75/10, A055 100/15,
        A056 100/30, A057 100/50, A058 150/35, A059 150/100, A05A 150/85, A05B 250/70,
        A05C 250/85, A05D 250/60, A05E 250/60, A05F 100/20, A060 100/20 48V,
        A061 150/45, A062 150/60, A063 150/70, A064 250/85, A065 250/100, A068 250/60,
        A069 250/70, A06A 150/45, A06B 150/60, A06C 150/70, A06D 150/85, A06E 150/100,
        A073 150/45, A074 75/10, A075 75/15, A07E 100/30 12V, A080 250/60,
        A081 250/70
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
        A30A 12/25, A30B 24/13, A30C 6V/12V-1.1A, A30F 12/7, A338 12/10, A339 12/15,
        A33A 24/5, A33B 24/8, A33C 12/5
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
        A3F0 12V/12V-50A DC-DC battery charger, A3F1 1400
    """,
    "Phoenix Inverter": """
        A201 12V 250VA 230V, A202 24V 250VA 230V, A204 48V 250VA 230V,
        A211 12V 375VA 230V, A212 24V 375VA 230V, A214 48V 375VA 230V,
        A221 12V 500VA 230V, A222 24V 500VA 230V, A224 48V 500VA 230V,
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
        1900 12/3000/120-50, 1901 12/3000/120-30, 1909 12/3000/120-16,
        1910 24/3000/70-50, 1911 24/3000/70-30, 1912 24/3000/70-16,
        1920 48/3000/35-50, 1921 48/3000/35-30, 1922 48/3000/35-16,
        1949 24/5000/120-50, 1959 48/5000/70-50, 2002 12/3000/120-50 120V,
        2012 24/3000/70-50 120V, 2600 12/3000/120-50, 2609 12/3000/120-16,
        2610 24/3000/70-50, 2612 24/3000/70-16, 2614 24/5000/120-100,
        2620 48/3000/35-50, 2622 48/3000/35-16, 2624 48/5000/70-100,
        2649 24/5000/120-50, 2659 48/5000/70-50, 2660 12/500/20-16, 2661 12/800/35-16,
        2662 12/1200/50-16, 2663 12/1600/70-16, 2664 12/2000/80-32, 2665 24/500/10-16,
        2666 24/800/16-16, 2667 24/1200/25-16, 2668 24/1600/40-16, 2669 24/2000/50-32,
        2670 48/500/6-16, 2671 48/800/9-16, 2672 48/1200/13-16, 2673 48/1600/20-16,
        2674 48/2000/25-32, 2702 12/3000/120-50 120V, 2712 24/3000/70-50 120V,
        2764 12/2000/80-50 120V, 2769 24/2000/50-50 120V, 2774 48/2000/25-50 120V
    """,
    "Phoenix Charger": """
        1421 12/100, 1422 12/200, 1431 24/50, 1432 24/100
    """,
    "Phoenix Multi": """
        1700 12V full power, 1701 12V half power, 1710 24V full power,
        1711 24V half power, 1730 120 12V full power, 1731 120 12V half power,
        1740 120 24V full power, 1741 120 24V half power, 1750 48V full power,
        1751 48V half power, 1800 12V full power, 1801 12V half power,
        1810 24V full power, 1811 24V half power, 1830 120 12V full power,
        1831 120 12V half power, 1840 120 24V full power, 1841 120 24V half power,
        1850 48V full power, 1851 48V half power
    """,
    "Phoenix MultiPlus": """
        1702 12V full power, 1712 24V full power, 1732 120 12V full power,
        1742 120 24V full power, 1752 48V full power, 1802 12V full power,
        1808 12V/2000, 1809 12V/3000, 1812 24V full power, 1818 24V/2000,
        1832 120 12V full power, 1839 120 12V/3000, 1842 120 24V full power,
        1852 48V full power, 1862 120 48V full power, 1902 12V full power,
        2009 120 12V/3000, 2022 120 48V/3000, 2059 120 48V/5000,
        2080 120/240 48V/3000 with 50A AC relais
    """,
    "MultiCompact": """
        1703 12V low power, 1704 12V medium power, 1705 12V high power,
        1713 24V low power, 1714 24V medium power, 1715 24V high power,
        1803 12V low power, 1804 12V medium power, 1805 12V high power,
        1813 24V low power, 1814 24V medium power, 1815 24V high power
    """,
    "MultiCompactPlus": """
        1706 12V high power, 1707 12V medium power, 1716 24V high power,
        1717 24V medium power, 1806 12V high power, 1807 12V medium power,
        1816 24V high power, 1817 24V medium power, 1836 120 12V high power,
        1846 120 24V high power, 1856 48V high power, 1871 12V 2K, 1872 24V 2K
    """,
    "Phoenix Multi Compact": """
        1903 12/800/35-16, 1913 24/800/16-16
    """,
    "MultiPlus Compact": """
        1906 12/1600/70-16, 1907 12/1200/50-16, 1908 12/2000/80-30,
        1916 24/1600/40-16, 1917 24/1200/25-16, 1918 24/2000/50-30,
        2008 12/2000/80-50 120V, 2018 24/2000/50-50 120V,
        2062 12/2000/80-50(30)-120/240V, 2072 24/2000/50-50(30)-120/240V,
        2603 12/800/35-16, 2606 12/1600/70-16, 2607 12/1200/50-16, 2608 12/2000/80-30,
        2613 24/800/16-16, 2616 24/1600/40-16, 2617 24/1200/25-16, 2618 24/2000/50-30,
        2708 12/2000/80-50 120V, 2718 24/2000/50-50 120V
    """,
    "Quattro": """
        1930 12/5000/200-2x30, 1931 12/3000/120-50/30, 1932 12/5000/200-50/30,
        1933 12/5000/220-2x75, 1940 24/5000/120-2x30, 1941 24/3000/70-50/30,
        1942 24/5000/120-50/30, 1943 24/8000/200-2x100, 1948 24/5000/120-2x100,
        1950 48/5000/70-2x30, 1952 48/5000/70-50/30, 1953 48/10000/140-2x100,
        1954 48/8000/110-2x100, 1958 48/5000/70-2x100, 2048 24/5000/120-2x100 120V,
        2051 48/3000/35-2x50 120V, 2053 48/5000/70-2x100 120V,
        2071 24/5000/120-2x60-120/240V, 2631 12/3000/120-50/30, 2633 12/5000/220-2x75,
        2634 12/3000/120-2x50, 2641 24/3000/70-50/30, 2642 24/5000/120-50/30,
        2643 24/8000/200-2x100, 2644 24/3000/70-2x50, 2648 24/5000/120-2x100,
        2652 48/5000/70-50/30, 2653 48/10000/140-2x100, 2654 48/8000/110-2x100,
        2655 48/8000/110-2x100, 2656 48/15000/200-2x100, 2657 48/5000/70-2x100-S,
        2658 48/5000/70-2x100, 2733 12/5000/220-2x100 120V,
        2748 24/5000/120-2x100 120V, 2751 48/3000/35-2x50 120V,
        2753 48/5000/70-2x100 120V, 2754 48/10000/140-2x100 120V
    """,
    "Phoenix": """
        2060 12/3000/120-50-120/240V, 2403 12/800, 2404 12/1200, 2413 24/800,
        2414 24/1200, 2423 48/800, 2424 48/1200, 2453 12/800 120V, 2454 12/1200 120V,
        2463 24/800 120V, 2464 24/1200 120V, 2473 48/800 120V, 2474 48/1200 120V,
        A200 Inverter
    """,
    "Quattro-II": """
        2632 12/5000/200-2x50, 2645 24/5000/120-2x50, 2651 48/5000/70-2x50,
        2781 12/3000/120-2x50 2x120V
    """,
    "MultiGrid": """
        2680 12/3000/120-50, 2685 24/3000/70-50, 2690 48/3000/35-50
    """,
    "Skylla-IP65": """
        A001 12V/70A (1+1), A002 12V/70A (3), A005 24V/35A (1+1), A006 24V/35A (3)
    """,
    "Skylla-IP44": """
        A003 12V/60A (1+1), A004 12V/60A (3), A007 24V/30A (1+1), A008 24V/30A (3)
    """,
    "Skylla-S": """
        A010 battery charger, A011 12V/100A (1+1), A012 12V/100A (3),
        A013 24V/100A (1+1), A014 24V/100A (3), A015 24V/50A (1+1), A016 24V/50A (3)
    """,
    "Lithium Battery Balancer": """
        A0C1 12V/3.5A, A0C2 12V/8A, A0C3 24V/3.5A, A0C4 12V/2A
    """,
    "BlueSolar MPPT VE.Can": """
        A10F 150/100, A112 250/70, A113 250/100, A117 150/100
    """,
    "VE.Direct Bluetooth Smart Dongle": """
        A188 (Rev2), A189 (Rev3)
    """,
    "Phoenix Sun Inverter": """
        A235 12V 250VA 230V, A236 24V 250VA 230V, A237 48V 250VA 230V
    """,
    "IMPULSE-II": """
        A360 24/6 Smart IP44, A361 24/8 Smart IP44, A362 24/6 Smart IP65,
        A363 24/8 Smart IP65, A364 24/6 Smart IP44, A365 24/8 Smart IP44,
        A366 24/12 Smart IP65, A367 24/11 Smart IP44, A368 24/8 Smart IP44,
        A369 24/6 Smart IP44, A36A 24/8 Smart IP65, A36B 24/6 Smart IP65
    """,
    "IMPULSE-II L": """
        A37E 12/20 Smart, A37F 12/20 Smart
    """,
    "Lynx Ion BMS": """
        A390 General, A391 150A, A392 400A, A393 600A, A394 1000A
    """,
    "MultiPlus-X Smart": """
        A501 12V/3000VA/120A
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

#: First and last id of a family -> its name, for what is newer than the list above.
_RANGES = (
    (0x1700, 0x27FF, "VE.Bus inverter/charger"),
    (0xA040, 0xA0BF, "Solar charger MPPT"),
    (0xA0E0, 0xA0FF, "Smart Lithium Battery"),
    (0xA102, 0xA11F, "Solar charger MPPT VE.Can"),
    (0xA200, 0xA2FF, "Phoenix Inverter"),
    (0xA300, 0xA33F, "Blue Smart Charger"),
    (0xA340, 0xA35F, "Phoenix Smart IP43 Charger"),
    (0xA360, 0xA37F, "Blue Smart Charger"),
    (0xA380, 0xA38F, "Battery monitor"),
    (0xA3B0, 0xA3BF, "Smart BatteryProtect"),
    (0xA3C0, 0xA3DF, "Orion Smart"),
    (0xA3E0, 0xA3EF, "Smart BMS"),
    (0xA3F0, 0xA3FF, "Orion XS"),
    (0xA400, 0xA43F, "Inverter RS"),
    (0xA440, 0xA47F, "Multi RS"),
    (0xA500, 0xA50F, "MultiPlus-X Smart"),
)

#: What a name says of the largest current, in A. A BMV's shunt can be any.
_NOMINAL_CURRENT = re.compile(
    r"SmartShunt .*?(\d+)A/50mV"
    r"|Lynx Smart BMS (\d+)"
    r"|MPPT (?:VE\.Can |RS )?\d+/(\d+)"
    r"|Smart IP\d+s? Charger \d+/(\d+)"
    r"|Orion XS .*-(\d+)A "
)


def model_name(model_id: int) -> str:
    """Return the name of a product, or its number where the name is not known here."""
    if (name := _NAMES.get(model_id)) is not None:
        return name
    for first, last, family in _RANGES:
        if first <= model_id <= last:
            return family
    return f"Victron 0x{model_id:04X}"


def _nominal_currents() -> Iterator[tuple[int, float]]:
    """Return the models whose name tells their current, and how much it is, in A."""
    for model_id, name in _NAMES.items():
        if (match := _NOMINAL_CURRENT.search(name)) is not None:
            yield model_id, float(next(filter(None, match.groups())))


#: Model -> the largest current that it is made for, in A.
NOMINAL_CURRENT = MappingProxyType(dict(_nominal_currents()))
