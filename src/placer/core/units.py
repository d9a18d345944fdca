"""Units at the rim: parse what users type, format what they read.

Inside placer time is float seconds, sizes are int bytes, rates are float bytes per second,
ratios lie in [0, 1]. Text goes through ``Decimal`` so that ``9ms`` and ``0.009s`` meet in the
same float.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, DecimalException, InvalidOperation

from placer.core.errors import UsageError, near_match

TIME_UNITS_S = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
SIZE_UNITS_BYTES = {
    "B": Decimal(1),
    "kB": Decimal(10**3),
    "KB": Decimal(10**3),
    "MB": Decimal(10**6),
    "GB": Decimal(10**9),
    "KiB": Decimal(2**10),
    "MiB": Decimal(2**20),
    "GiB": Decimal(2**30),
}
BIT_RATE_UNITS_BIT_PER_S = {
    "bit/s": Decimal(1),
    "kbit/s": Decimal(10**3),
    "Mbit/s": Decimal(10**6),
    "Gbit/s": Decimal(10**9),
}
FREQUENCY_UNITS_HZ = {
    "/s": Decimal(1),
    "/min": Decimal(1) / 60,
    "/h": Decimal(1) / 3600,
    "/day": Decimal(1) / 86400,
}
MONEY_UNITS = {"USD/month": Decimal(1)}
PRICE_PER_HOUR_UNITS = {"USD/h": Decimal(1)}
PRICE_PER_SIZE_UNITS_PER_BYTE = {
    "USD/GB": Decimal("1e-9"),
    "USD/MB": Decimal("1e-6"),
}
NEAREST_PERCENTILE = 1e-9
"""To 0, and what is left to 1: nobody measures how often something happens more rarely."""
POWER_UNITS_W = {"mW": Decimal("1e-3"), "W": Decimal(1)}
PRICE_UNITS_USD = {"USD": Decimal(1)}
BYTE_RATE_UNITS_BYTES_PER_S = {
    "MB/s": Decimal(10**6),
    "GB/s": Decimal(10**9),
    "TB/s": Decimal(10**12),
}
OPERATION_RATE_UNITS_PER_S = {
    "GFLOP/s": Decimal(10**9),
    "TFLOP/s": Decimal(10**12),
    "GOP/s": Decimal(10**9),
    "TOP/s": Decimal(10**12),
}

MAX_BYTES = 10**15
"""No request, no memory is larger: a petabyte."""
SECONDS_PER_HOUR = 3600.0
HOURS_PER_MONTH = 730.0
"""Hours of an average month, 8760 h / 12 (the convention of the cloud price lists)."""
SECONDS_PER_MONTH = HOURS_PER_MONTH * SECONDS_PER_HOUR

_QUANTITY = re.compile(
    r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL | re.ASCII
)


def _quantity(
    text: str, units: dict[str, Decimal], *, what: str, example: str, allow_zero: bool
) -> Decimal:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{what} '{text}' is not a number with a unit", hint=f"write it like {example}"
        )
    number, unit = match.groups()
    if not unit:
        raise UsageError(
            f"{what} '{text}' has no unit",
            hint=f"write it like {example}; units: {' '.join(units)}",
        )
    if unit not in units:
        raise UsageError(
            f"{what} '{text}' has the unknown unit '{unit}'{near_match(unit, units)}",
            hint=f"units: {' '.join(units)}",
        )
    try:
        value = Decimal(number) * units[unit]
        as_float = float(value)
    except (DecimalException, OverflowError):
        as_float = float("inf")
        value = Decimal(0)
    if as_float == float("inf"):
        raise UsageError(f"{what} '{text}' is too large", hint=f"write it like {example}")
    if value < 0 or (as_float == 0 and not (allow_zero and value == 0)):
        bound = "must not be negative" if allow_zero else "must be greater than zero"
        raise UsageError(f"{what} '{text}' {bound}", hint=f"write it like {example}")
    return value


def parse_duration_s(
    text: str, *, what: str = "duration", allow_zero: bool = False, example: str = "20ms"
) -> float:
    """Parse ``20ms`` into seconds.

    Parameters
    ----------
    example
        What a hint shows: one of the size that is asked for.

    Raises
    ------
    UsageError
        No number, no unit or an unknown one, negative, zero (unless allowed), nan or inf.
    """
    return float(_quantity(text, TIME_UNITS_S, what=what, example=example, allow_zero=allow_zero))


def parse_bytes(text: str, *, what: str = "size") -> int:
    """Parse ``80KiB`` into whole bytes (rounded up), at most ``MAX_BYTES``.

    Raises UsageError as parse_duration_s.
    """
    value = _quantity(text, SIZE_UNITS_BYTES, what=what, example="80KiB", allow_zero=False)
    if value > MAX_BYTES:
        raise UsageError(f"{what} '{text}' is too large", hint="at most 1000000GB")
    return int(value.to_integral_value(rounding="ROUND_CEILING"))


def parse_rate_bytes_per_s(text: str, *, what: str = "rate") -> float:
    """Parse ``10Mbit/s`` into bytes per second. Raises UsageError as parse_duration_s."""
    value = _quantity(
        text, BIT_RATE_UNITS_BIT_PER_S, what=what, example="10Mbit/s", allow_zero=False
    )
    return float(value / 8)


def parse_frequency_hz(text: str, *, what: str = "rate") -> float:
    """Parse ``30/s`` into events per second. Raises UsageError as parse_duration_s."""
    return float(_quantity(text, FREQUENCY_UNITS_HZ, what=what, example="30/s", allow_zero=False))


def parse_usd_per_month(text: str, *, what: str = "budget") -> float:
    """Parse ``500USD/month``. Raises UsageError as parse_duration_s."""
    return float(_quantity(text, MONEY_UNITS, what=what, example="500USD/month", allow_zero=False))


def parse_usd_per_hour(text: str, *, what: str = "price") -> float:
    """Parse ``0.526USD/h``. Raises UsageError as parse_duration_s."""
    return float(
        _quantity(text, PRICE_PER_HOUR_UNITS, what=what, example="0.526USD/h", allow_zero=False)
    )


def parse_usd_per_byte(text: str, *, what: str = "price") -> float:
    """Parse ``0.09USD/GB`` into USD per byte; zero is allowed (a free tier is a real price)."""
    return float(
        _quantity(
            text,
            PRICE_PER_SIZE_UNITS_PER_BYTE,
            what=what,
            example="0.09USD/GB",
            allow_zero=True,
        )
    )


def parse_power_w(text: str, *, what: str = "power") -> float:
    """Parse ``15W`` into watts. Raises UsageError as parse_duration_s."""
    return float(_quantity(text, POWER_UNITS_W, what=what, example="15W", allow_zero=False))


def parse_usd(text: str, *, what: str = "price") -> float:
    """Parse ``249USD``. Raises UsageError as parse_duration_s."""
    return float(_quantity(text, PRICE_UNITS_USD, what=what, example="249USD", allow_zero=False))


def parse_memory_rate_bytes_per_s(text: str, *, what: str = "rate") -> float:
    """Parse ``12.8GB/s``. Raises UsageError as parse_duration_s."""
    return float(
        _quantity(
            text, BYTE_RATE_UNITS_BYTES_PER_S, what=what, example="12.8GB/s", allow_zero=False
        )
    )


def parse_operations_per_s(text: str, *, what: str = "rate") -> float:
    """Parse ``8.1TFLOP/s`` or ``33.5TOP/s``. Raises UsageError as parse_duration_s."""
    return float(
        _quantity(
            text, OPERATION_RATE_UNITS_PER_S, what=what, example="8.1TFLOP/s", allow_zero=False
        )
    )


def format_ratio(ratio: float) -> str:
    """Format a share as it is typed: ``1 %``."""
    return f"{100 * ratio:.3g} %"


def parse_ratio(text: str, *, what: str = "ratio") -> float:
    """Parse ``0.5%`` or ``0.005`` into a ratio in [0, 1].

    Raises
    ------
    UsageError
        Not a number, or outside [0, 1].
    """
    stripped = text.strip()
    percent = stripped.endswith("%")
    try:
        value = Decimal(stripped.removesuffix("%").strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if percent:
        value /= 100
    if not value.is_finite() or not 0 <= value <= 1:
        raise UsageError(
            f"{what} '{text}' is not a ratio between 0 and 1", hint="write it like 0.5% or 0.005"
        )
    return float(value)


def parse_percentile(text: str, *, what: str = "percentile") -> float:
    """Parse ``p99`` or ``p99.9`` into a ratio from ``NEAREST_PERCENTILE`` to 1 less that.

    Raises
    ------
    UsageError
        Not ``p`` and a number, or a percentile that no number of runs tells from p0 or p100.
    """
    match = re.fullmatch(r"[pP](\d+(?:\.\d+)?)", text.strip())
    value = Decimal(match.group(1)) / 100 if match else Decimal("NaN")
    least = Decimal(str(NEAREST_PERCENTILE))
    if not value.is_finite() or not least <= value <= 1 - least:
        raise UsageError(
            f"{what} '{text}' is not a percentile between p0 and p100",
            hint="write it like p99 or p99.9",
        )
    return float(value)


def finite_or_none(value: float) -> float | None:
    """Return a number as JSON can hold it: what is not finite is unknown."""
    return value if math.isfinite(value) else None


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def format_duration(value_s: float) -> str:
    """Three significant digits in the unit that fits: ``0.163 ms`` is ``163 µs``."""
    factor, unit = _unit_of(value_s)
    return f"{_three_digits(value_s * factor)} {unit}"


def _unit_of(value_s: float) -> tuple[float, str]:
    for limit_s, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if abs(value_s) < limit_s * 0.9995:
            return factor, unit
    return 1.0, "s"


MAX_DIGITS = 6
"""What differs in later ones alone is the same: no clock of a test is as exact."""


def format_durations_apart(*values_s: float) -> tuple[str, ...]:
    """Return durations with as many digits, three and more, as tell different ones apart.

    They stay alike where more than ``MAX_DIGITS`` would be needed.
    """
    shown = tuple(map(format_duration, values_s))
    for digits in range(4, MAX_DIGITS + 1):
        if len(set(shown)) == len(set(values_s)):
            return shown
        shown = tuple(_with_digits(value_s, digits) for value_s in values_s)
    if len(set(shown)) == len(set(values_s)):
        return shown
    return tuple(map(format_duration, values_s))


def _with_digits(value_s: float, digits: int) -> str:
    factor, unit = _unit_of(value_s)
    value = value_s * factor
    before = len(f"{abs(value):.0f}") if abs(value) >= 1 else 1
    return f"{value:,.{max(0, digits - before)}f} {unit}"


def format_bytes(value_bytes: float) -> str:
    """Decimal units, as links and prices use them: ``602 kB``."""
    if abs(value_bytes) < 1000:
        return f"{value_bytes:.0f} B"
    for limit, factor, unit in ((1e6, 1e3, "kB"), (1e9, 1e6, "MB"), (1e12, 1e9, "GB")):
        if abs(value_bytes) < limit * 0.9995:
            return f"{_three_digits(value_bytes / factor)} {unit}"
    return f"{_three_digits(value_bytes / 1e12)} TB"


def format_rate(value_bytes_per_s: float) -> str:
    """Bit rates, as links are sold: ``99.0 Mbit/s``."""
    bits = value_bytes_per_s * 8
    for limit, factor, unit in ((1e3, 1.0, "bit/s"), (1e6, 1e3, "kbit/s"), (1e9, 1e6, "Mbit/s")):
        if bits < limit * 0.9995:
            return f"{_three_digits(bits / factor)} {unit}"
    return f"{_three_digits(bits / 1e9)} Gbit/s"


def format_frequency(value_hz: float) -> str:
    """Events per second, or per minute, hour or day where that reads better."""
    for unit, unit_hz in (("/s", 1.0), ("/min", 1 / 60), ("/h", 1 / 3600)):
        if value_hz >= unit_hz * 0.9995:
            value = value_hz / unit_hz
            return f"{value:,.0f}{unit}" if value >= 999.5 else f"{value:.3g}{unit}"
    return f"{value_hz * 86400:.3g}/day"


def format_usd(value_usd: float) -> str:
    """Dollars with the digits that matter: ``$0.0021``, ``$3.40``, ``$1,290``."""
    if value_usd == 0:
        return "$0"
    if abs(value_usd) >= 1000:
        return f"${value_usd:,.0f}"
    if abs(value_usd) >= 1:
        return f"${value_usd:.2f}"
    return f"${value_usd:.2g}"


def format_factor(value: float) -> str:
    """How many times, with two digits that matter: ``1.3``, ``24``, ``110``, ``1,200``."""
    if not 99.5 <= value < math.inf:
        return f"{value:.2g}"
    step = 10 ** (math.floor(math.log10(value)) - 1)
    return f"{round(value / step) * step:,.0f}"


def format_known(percentile: float) -> str:
    """Return how far something is known, rounded down: ``0.9876543`` as ``p98.7``."""
    return format_percentile(math.floor(1e3 * percentile + 1e-9) / 1e3)


def format_percentile(percentile: float) -> str:
    """``0.99`` as ``p99``, ``0.999`` as ``p99.9``."""
    return f"p{float(Decimal(str(percentile)) * 100):.12g}"
