"""Screens of three invented vendors, 800 x 600: places of sector, text, scale and trace."""

from __future__ import annotations

from dataclasses import dataclass

from echokit.phantom.clinical.electrocardiogram import Style
from echokit.phantom.clinical.patients import Patient, Vendor

HEIGHT, WIDTH = 600, 800
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """One vendor's screen; points are pixels (x, y), boxes x0, y0, x1, y1.

    Attributes:
        tip: Of the sector.
        bottom: Row of the sector's deepest point.
        panels: Coloured boxes behind the text.
        ruler: Column of the depth scale.
        ruler_style: ``ticks`` or ``dots``.
        grey_bar: Box of the bar of grey levels.
        trace: Box in which the electrocardiogram runs.
        style, seconds: Its way of moving and the duration that it shows.
        rate, rate_words: Place of the heart rate, and the text around its number.
        ink, dim, trace_ink: Colours of the text, the minor text, and the trace.
        tint: Colour of the brightest echo: some machines show a chroma map rather than grey.
        smooth: Whether letters and lines are antialiased.
        font: Size of the letters.
    """

    tip: tuple[int, int]
    bottom: int
    panels: tuple[tuple[tuple[int, int, int, int], Colour], ...]
    ruler: int
    ruler_style: str
    grey_bar: tuple[int, int, int, int]
    trace: tuple[int, int, int, int]
    style: Style
    seconds: float
    rate: tuple[int, int]
    rate_words: tuple[str, str]
    ink: Colour
    dim: Colour
    trace_ink: Colour
    tint: Colour
    smooth: bool
    font: int


LAYOUTS: dict[Vendor, Layout] = {
    "alder": Layout(
        tip=(428, 46), bottom=506, panels=(), ruler=778, ruler_style="ticks", grey_bar=(14, 118, 26, 262),
        trace=(120, 518, 716, 588), style="sweep", seconds=3.4, rate=(728, 574), rate_words=("", " HR"),
        ink=(222, 222, 222), dim=(150, 160, 170), trace_ink=(80, 230, 90), tint=(255, 255, 255), smooth=True, font=13,
    ),
    "birch": Layout(
        tip=(396, 60), bottom=522, panels=(((0, 0, 800, 44), (24, 40, 72)),), ruler=716, ruler_style="dots",
        grey_bar=(772, 70, 784, 220), trace=(40, 534, 690, 594), style="scroll", seconds=2.6, rate=(712, 580),
        rate_words=("", "bpm"), ink=(255, 255, 255), dim=(200, 200, 200), trace_ink=(240, 220, 60),
        tint=(255, 255, 255), smooth=False, font=13,
    ),
    "cedar": Layout(
        tip=(478, 34), bottom=492, panels=(((0, 0, 132, 600), (38, 40, 44)), ((132, 584, 800, 600), (30, 32, 36))),
        ruler=152, ruler_style="ticks", grey_bar=(778, 40, 788, 150), trace=(160, 500, 790, 576), style="marker",
        seconds=2.6, rate=(14, 300), rate_words=("HR ", ""), ink=(240, 236, 220), dim=(170, 176, 180),
        trace_ink=(90, 200, 240), tint=(255, 246, 226), smooth=True, font=12,
    ),
}  # fmt: skip


def words_of(patient: Patient, clip: int) -> list[tuple[int, int, str, bool]]:
    """Return the static text on the screen: (x, y, text, minor) of each piece."""
    case = patient.clips[clip]
    surname, given = patient.name.split("^")
    day, born = _dotted(patient.study_date), _dotted(patient.birth_date)
    index = f"MI {0.9 + case.index % 5 / 10:.1f}"
    clock = f"{8 + patient.number % 9:02d}:{11 + 7 * clip:02d}:{(patient.number * 13) % 60:02d}"
    depth = f"{case.depth / 10:.0f}"
    if patient.vendor == "alder":
        return [
            (12, 8, f"{surname}, {given}", False), (12, 26, patient.mrn, False), (12, 44, born, True),
            (560, 8, "Harbour Heart Institute", True), (640, 26, f"{day}  {clock}", True), (12, 72, index, False),
            (70, 72, "TIs 0.7", False), (12, 92, f"Adult Echo  Cl.{clip + 1}", True), (42, 118, "A5S-D", True),
            (42, 136, "1.7/3.4 MHz", True), (42, 154, f"FR {case.fps}.0", True), (42, 172, f"D {depth} cm", True),
            (42, 190, f"G {round(case.gain)}", True), (42, 208, f"DR {round(case.dynamic_range)}", True),
        ]  # fmt: skip
    if patient.vendor == "birch":
        return [
            (8, 4, f"{surname.upper()} {given.upper()}", False), (8, 23, f"{patient.mrn}   {born}", True),
            (330, 4, "ST. ELMO HOSPITAL", True), (330, 23, f"Echo  {patient.accession}", True),
            (640, 4, f"{day}", True), (640, 23, clock, True), (736, 4, "TIS0.8", True), (736, 23, index, True),
            (10, 62, f"FR {case.fps}Hz", False), (10, 80, f"{depth}cm", False), (10, 116, "2D", False),
            (10, 134, f"{60 + round(case.gain)}%", False), (10, 152, f"C {round(case.dynamic_range)}", False),
            (10, 170, "P Low", False), (10, 188, "HGen", False), (736, 50, "M3", True),
        ]  # fmt: skip
    return [
        (10, 12, surname, False), (10, 28, given, False), (10, 46, patient.mrn, True),
        (10, 62, f"{born} {patient.sex}", True), (10, 92, day, True), (10, 108, clock, True),
        (10, 138, "Westmoor Clinic", True), (10, 168, "TTE", False), (10, 184, "P4-2c", True),
        (10, 200, f"{case.fps} fps", True), (10, 216, f"{depth} cm", True),
        (10, 232, f"{index}  TIB 1.1", True), (10, 248, f"DR {round(case.dynamic_range)} dB", True),
        (140, 585, f"Clip {clip + 1}   General / Cardiac   THI H4.0 MHz", True), (700, 585, patient.accession, True),
    ]  # fmt: skip


def _dotted(date: str) -> str:
    return f"{date[6:]}.{date[4:6]}.{date[:4]}"
