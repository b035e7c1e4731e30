"""The time zones that Graph names: Windows names, IANA names, fixed offsets, and Exchange's own `tzone://` names.

What must stay true: a name is either understood exactly or not at all. A custom zone (`tzone://Microsoft/Custom`: rules
that Graph does not tell) is not; what follows from that is for the caller to say.

Source of the table: Unicode CLDR, windowsZones, territory 001 (the zone CLDR takes where no country is known).
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.source_events import zone_exists

WINDOWS: dict[str, str] = {
    # No place, only an offset
    "UTC": "Etc/UTC",
    "Dateline Standard Time": "Etc/GMT+12",
    "UTC-11": "Etc/GMT+11",
    "UTC-09": "Etc/GMT+9",
    "UTC-08": "Etc/GMT+8",
    "UTC-02": "Etc/GMT+2",
    "UTC+12": "Etc/GMT-12",
    "UTC+13": "Etc/GMT-13",
    # North America, west to east
    "Hawaiian Standard Time": "Pacific/Honolulu",
    "Aleutian Standard Time": "America/Adak",
    "Alaskan Standard Time": "America/Anchorage",
    "Yukon Standard Time": "America/Whitehorse",
    "British Columbia Standard Time": "America/Vancouver",
    "Pacific Standard Time": "America/Los_Angeles",
    "US Mountain Standard Time": "America/Phoenix",
    "Alberta Standard Time": "America/Edmonton",
    "Mountain Standard Time": "America/Denver",
    "Canada Central Standard Time": "America/Regina",
    "Manitoba Standard Time": "America/Winnipeg",
    "Central Standard Time": "America/Chicago",
    "US Eastern Standard Time": "America/Indianapolis",
    "Eastern Standard Time": "America/New_York",
    "Atlantic Standard Time": "America/Halifax",
    "Newfoundland Standard Time": "America/St_Johns",
    "Saint Pierre Standard Time": "America/Miquelon",
    "Greenland Standard Time": "America/Godthab",
    # Mexico, Central America, the Caribbean
    "Pacific Standard Time (Mexico)": "America/Tijuana",
    "Mountain Standard Time (Mexico)": "America/Mazatlan",
    "Central Standard Time (Mexico)": "America/Mexico_City",
    "Eastern Standard Time (Mexico)": "America/Cancun",
    "Central America Standard Time": "America/Guatemala",
    "Cuba Standard Time": "America/Havana",
    "Haiti Standard Time": "America/Port-au-Prince",
    "Turks And Caicos Standard Time": "America/Grand_Turk",
    # South America
    "Easter Island Standard Time": "Pacific/Easter",
    "SA Pacific Standard Time": "America/Bogota",
    "Venezuela Standard Time": "America/Caracas",
    "SA Western Standard Time": "America/La_Paz",
    "Pacific SA Standard Time": "America/Santiago",
    "Magallanes Standard Time": "America/Punta_Arenas",
    "Paraguay Standard Time": "America/Asuncion",
    "Argentina Standard Time": "America/Buenos_Aires",
    "Montevideo Standard Time": "America/Montevideo",
    "Central Brazilian Standard Time": "America/Cuiaba",
    "Tocantins Standard Time": "America/Araguaina",
    "E. South America Standard Time": "America/Sao_Paulo",
    "Bahia Standard Time": "America/Bahia",
    "SA Eastern Standard Time": "America/Cayenne",
    # The Atlantic and Europe
    "Azores Standard Time": "Atlantic/Azores",
    "Cape Verde Standard Time": "Atlantic/Cape_Verde",
    "Greenwich Standard Time": "Atlantic/Reykjavik",
    "GMT Standard Time": "Europe/London",
    "Romance Standard Time": "Europe/Paris",
    "W. Europe Standard Time": "Europe/Berlin",
    "Central Europe Standard Time": "Europe/Budapest",
    "Central European Standard Time": "Europe/Warsaw",
    "GTB Standard Time": "Europe/Bucharest",
    "FLE Standard Time": "Europe/Kiev",
    "E. Europe Standard Time": "Europe/Chisinau",
    "Kaliningrad Standard Time": "Europe/Kaliningrad",
    "Belarus Standard Time": "Europe/Minsk",
    "Turkey Standard Time": "Europe/Istanbul",
    "Russian Standard Time": "Europe/Moscow",
    "Volgograd Standard Time": "Europe/Volgograd",
    "Astrakhan Standard Time": "Europe/Astrakhan",
    "Saratov Standard Time": "Europe/Saratov",
    "Russia Time Zone 3": "Europe/Samara",
    # Africa and its islands
    "Morocco Standard Time": "Africa/Casablanca",
    "Sao Tome Standard Time": "Africa/Sao_Tome",
    "W. Central Africa Standard Time": "Africa/Lagos",
    "Libya Standard Time": "Africa/Tripoli",
    "Egypt Standard Time": "Africa/Cairo",
    "Sudan Standard Time": "Africa/Khartoum",
    "South Sudan Standard Time": "Africa/Juba",
    "Namibia Standard Time": "Africa/Windhoek",
    "South Africa Standard Time": "Africa/Johannesburg",
    "E. Africa Standard Time": "Africa/Nairobi",
    "Mauritius Standard Time": "Indian/Mauritius",
    # The Middle East and the Caucasus
    "Israel Standard Time": "Asia/Jerusalem",
    "West Bank Standard Time": "Asia/Hebron",
    "Middle East Standard Time": "Asia/Beirut",
    "Jordan Standard Time": "Asia/Amman",
    "Syria Standard Time": "Asia/Damascus",
    "Arabic Standard Time": "Asia/Baghdad",
    "Arab Standard Time": "Asia/Riyadh",
    "Arabian Standard Time": "Asia/Dubai",
    "Iran Standard Time": "Asia/Tehran",
    "Georgian Standard Time": "Asia/Tbilisi",
    "Caucasus Standard Time": "Asia/Yerevan",
    "Azerbaijan Standard Time": "Asia/Baku",
    # Central and South Asia
    "Afghanistan Standard Time": "Asia/Kabul",
    "West Asia Standard Time": "Asia/Tashkent",
    "Qyzylorda Standard Time": "Asia/Qyzylorda",
    "Central Asia Standard Time": "Asia/Bishkek",
    "Pakistan Standard Time": "Asia/Karachi",
    "India Standard Time": "Asia/Calcutta",
    "Sri Lanka Standard Time": "Asia/Colombo",
    "Nepal Standard Time": "Asia/Katmandu",
    "Bangladesh Standard Time": "Asia/Dhaka",
    "Myanmar Standard Time": "Asia/Rangoon",
    # Siberia and the Russian Far East
    "Ekaterinburg Standard Time": "Asia/Yekaterinburg",
    "Omsk Standard Time": "Asia/Omsk",
    "Altai Standard Time": "Asia/Barnaul",
    "Tomsk Standard Time": "Asia/Tomsk",
    "N. Central Asia Standard Time": "Asia/Novosibirsk",
    "North Asia Standard Time": "Asia/Krasnoyarsk",
    "North Asia East Standard Time": "Asia/Irkutsk",
    "Transbaikal Standard Time": "Asia/Chita",
    "Yakutsk Standard Time": "Asia/Yakutsk",
    "Vladivostok Standard Time": "Asia/Vladivostok",
    "Sakhalin Standard Time": "Asia/Sakhalin",
    "Magadan Standard Time": "Asia/Magadan",
    "Russia Time Zone 10": "Asia/Srednekolymsk",
    "Russia Time Zone 11": "Asia/Kamchatka",
    # East and South-East Asia
    "W. Mongolia Standard Time": "Asia/Hovd",
    "Ulaanbaatar Standard Time": "Asia/Ulaanbaatar",
    "China Standard Time": "Asia/Shanghai",
    "Taipei Standard Time": "Asia/Taipei",
    "North Korea Standard Time": "Asia/Pyongyang",
    "Korea Standard Time": "Asia/Seoul",
    "Tokyo Standard Time": "Asia/Tokyo",
    "SE Asia Standard Time": "Asia/Bangkok",
    "Singapore Standard Time": "Asia/Singapore",
    # Australia and the Pacific
    "W. Australia Standard Time": "Australia/Perth",
    "Aus Central W. Standard Time": "Australia/Eucla",
    "AUS Central Standard Time": "Australia/Darwin",
    "Cen. Australia Standard Time": "Australia/Adelaide",
    "E. Australia Standard Time": "Australia/Brisbane",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "Tasmania Standard Time": "Australia/Hobart",
    "Lord Howe Standard Time": "Australia/Lord_Howe",
    "West Pacific Standard Time": "Pacific/Port_Moresby",
    "Bougainville Standard Time": "Pacific/Bougainville",
    "Central Pacific Standard Time": "Pacific/Guadalcanal",
    "Norfolk Standard Time": "Pacific/Norfolk",
    "New Zealand Standard Time": "Pacific/Auckland",
    "Fiji Standard Time": "Pacific/Fiji",
    "Chatham Islands Standard Time": "Pacific/Chatham",
    "Tonga Standard Time": "Pacific/Tongatapu",
    "Samoa Standard Time": "Pacific/Apia",
    "Line Islands Standard Time": "Pacific/Kiritimati",
    "Marquesas Standard Time": "Pacific/Marquesas",
}
"""Windows name -> IANA name."""

_FOLDED = {name.casefold(): iana for name, iana in WINDOWS.items()} | {"tzone://microsoft/utc": "UTC"}
_FIXED = re.compile(r"(?:UTC|GMT)\s?([+-])(\d{1,2})(?::?([0-5]\d))?", re.ASCII | re.IGNORECASE)


class Zone(NamedTuple):
    """`name` is what we say (IANA), `tz` how local times given in it are read. They differ only for an offset that has
    no IANA name, such as UTC+05:30: it is said as UTC."""

    name: str
    tz: tzinfo

    @property
    def spoken(self) -> tzinfo:
        """The zone that `name` is: start times are said in it."""
        return UTC if self.name == "UTC" else self.tz


GREENWICH = Zone("UTC", UTC)


@lru_cache(maxsize=1024)
def find(name: str) -> Zone | None:
    """The zone of this name, or None if nobody can say what it is.

    >>> find("Romance Standard Time").name, find("UTC+03:00").name, find("UTC-02").name, find("UTC+05:30").name
    ('Europe/Paris', 'Etc/GMT-3', 'Etc/GMT+2', 'UTC')
    >>> find("tzone://Microsoft/Custom") is None
    True
    """
    stripped = name.strip()
    iana = _FOLDED.get(stripped.casefold(), stripped)
    if iana in ("UTC", "Etc/UTC"):
        return GREENWICH
    return _named(iana) or _fixed(stripped)


def _named(iana: str) -> Zone | None:
    return Zone(iana, ZoneInfo(iana)) if zone_exists(iana) else None


def _fixed(name: str) -> Zone | None:
    """`UTC+03:00` as the IANA zone of that offset, whose sign is the other way round (Etc/GMT-3 is east)."""
    match = _FIXED.fullmatch(name)
    if match is None or int(match[2]) > 23:
        return None
    east = timedelta(hours=int(match[2]), minutes=int(match[3] or 0)) * (-1 if match[1] == "-" else 1)
    if not east:
        return GREENWICH
    whole = not east % timedelta(hours=1)
    return (_named(f"Etc/GMT{-(east // timedelta(hours=1)):+d}") if whole else None) or Zone("UTC", timezone(east))
