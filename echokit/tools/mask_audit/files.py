"""The files of a mask audit: a table, rows of numbers, and pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip
from echokit.errors import EchokitError
from echokit.system.csv_cells import write_rows
from echokit.system.files import write_bytes
from echokit.system.phantom_mark import STAMP as PHANTOM
from echokit.tools.mask_audit.audit import SHARES, TERTILES, Audit, MaskSummary, Share
from echokit.tools.mask_audit.leakage import Leak
from echokit.tools.mask_audit.subjects import Subject

WORDS = {
    "ventricle": "ventricle kept",
    "myocardium": "myocardium kept",
    "moving": "moving tissue kept",
    "sector": "sector kept",
    "outside": "lit pixels left outside the sector, of the sector",
    "screen": "text, scale, trace or number kept",
    "stability": "overlap of three halves of the clip",
    "area": "lit and kept, of the picture",
}
_MORE_IS_WORSE = ("outside", "screen")


def plain(audit: Audit) -> dict[str, Any]:
    """The audit as JSON-able data."""
    return {
        "phantom": audit.phantom,
        "sector_known": audit.sector_known,
        "positive": audit.positive,
        "ef_tertile_cuts": audit.cuts,
        "masks": [_summary(summary) for summary in audit.summaries],
        "failures": [{"case_id": case, "reason": reason} for case, reason in audit.failures],
    }


def _summary(summary: MaskSummary) -> dict[str, Any]:
    leaks = {name: asdict(getattr(summary, name)) for name in ("area_leak", "share_leak", "silhouette_leak")}
    shares = {name: asdict(share) for name, share in summary.shares.items()}
    thirds = {third: {name: asdict(s) for name, s in found.items()} for third, found in summary.tertiles.items()}
    return {
        "method": summary.method,
        "clips": summary.clips,
        "passed": summary.passed,
        "shares": shares,
        "ef_tertiles": thirds,
        **leaks,
    }


def table(audit: Audit) -> str:
    """The audit as a Markdown page."""
    names = [summary.method for summary in audit.summaries]
    lines = [f"# {PHANTOM + ': ' if audit.phantom else ''}mask audit", ""]
    lines += [
        f"{audit.summaries[0].clips} clips. Mean over clips, with the worst one in brackets.",
        "",
        _row("", names),
        _row("---", ["---"] * len(names)),
    ]
    for name in SHARES:
        if any(name in summary.shares for summary in audit.summaries):
            cells = [_share(summary.shares.get(name), name in _MORE_IS_WORSE) for summary in audit.summaries]
            lines.append(_row(WORDS[name], cells))
    lines.append(_row("clips let through unmasked", [str(summary.passed) for summary in audit.summaries]))
    lines += _leaks(audit)
    if audit.cuts is not None:
        lines += ["", *_tertiles(audit.summaries[0], audit.cuts)]
    if audit.failures:
        lines += ["", f"{len(audit.failures)} clips could not be read:", ""]
        lines += [f"- {case}: {reason}" for case, reason in audit.failures]
    return "\n".join(lines) + "\n"


def _leaks(audit: Audit) -> list[str]:
    notes = ["", "Shares count pixels that are not black throughout."]
    if not audit.sector_known:
        notes.append("The sector is what sector_mask finds, so that its own figures there have no meaning.")
    first = audit.summaries[0].area_leak
    if not first.n:
        return [*notes, "No outcome is known, so leakage cannot be measured."]
    leaks = [
        ("mask's area", [s.area_leak for s in audit.summaries]),
        ("share of the sector that is kept", [s.share_leak for s in audit.summaries]),
        ("mask's outline", [s.silhouette_leak for s in audit.summaries]),
    ]
    return [
        *[_row(f"AUROC of the {word} alone", [_leak(leak) for leak in found]) for word, found in leaks],
        "",
        f"Outcome: {audit.positive}; {first.n} patients, {first.events} events. In brackets what chance gives (the "
        "middle 95 % under shuffled outcomes): an AUROC outside, marked with !, means that the mask predicts "
        "the outcome. If sector_mask predicts it as well, the size of the sector does; "
        "the share of the sector is free of that.",
        *notes,
    ]


def _tertiles(summary: MaskSummary, cuts: tuple[float, float]) -> list[str]:
    low, high = cuts
    heads = (f"EF up to {low:.1f} %", f"{low:.1f} to {high:.1f} %", f"above {high:.1f} %")
    lines = [f"{summary.method} by third of the ejection fraction:", "", _row("", heads), _row("---", ["---"] * 3)]
    for name in ("ventricle", "myocardium", "area"):
        found = [summary.tertiles[third].get(name) for third in TERTILES]
        if any(found):
            lines.append(_row(WORDS[name], [_share(share) for share in found]))
    return lines


def _row(head: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"


def _share(share: Share | None, more_is_worse: bool = False) -> str:
    if share is None:
        return "not known"
    worst = share.high if more_is_worse else share.low
    return f"{share.mean:.1%} ({worst:.1%})"


def _leak(leak: Leak) -> str:
    if leak.auroc is None:
        return "undefined"
    return f"{leak.auroc:.2f} ({leak.low:.2f} to {leak.high:.2f}){' !' if leak.beyond_chance else ''}"


def write_audit(audit: Audit, out: Path) -> None:
    """Write ``audit.md``, ``audit.json`` and ``audit.csv``, each whole or not at all.

    Raises:
        EchokitError: The folder cannot be written.
    """
    rows = io.StringIO()
    names = ("case_id", "method", *SHARES, "passed")
    lines: list[list[Any]] = [[*names, "stamp"]]
    for row in audit.measures:
        values = [getattr(row, name) for name in names]
        cells = ["" if value is None else f"{value:.6f}" if isinstance(value, float) else value for value in values]
        lines.append([*cells, PHANTOM if audit.phantom else ""])
    write_rows(rows, lines)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_bytes(out / "audit.md", table(audit).encode())
        write_bytes(out / "audit.json", (json.dumps(plain(audit), indent=1) + "\n").encode())
        write_bytes(out / "audit.csv", rows.getvalue().encode())
    except OSError as error:
        raise EchokitError(
            f"the audit cannot be written: {error.strerror}", where=str(error.filename or out), code="file.not_writable"
        ) from None


class Sheet:
    """Collects pictures: one row for each clip, one column for each mask.

    Args:
        masks: The columns.
        rows: Most clips that are shown.
    """

    WIDTH = 260

    def __init__(self, masks: Sequence[str], rows: int = 16) -> None:
        self.masks = list(masks)
        self.rows = rows
        self._tiles: dict[str, list[npt.NDArray[np.uint8]]] = {}
        self._known = False

    def add(self, subject: Subject, clip: Clip, method: str, region: npt.NDArray[np.bool_]) -> None:
        """Add what one mask keeps of one clip; the clips after the last row are left out."""
        import cv2

        from echokit.data.preprocess.mask_region import INK, PAPER, STAMP, overlay, visible

        if subject.case_id not in self._tiles and len(self._tiles) >= self.rows:
            return
        height, width = clip.frames.shape[1:]
        picture = overlay(clip.frames[len(clip) // 2], visible(region, np.asarray(clip.frames.any(axis=0), bool)))
        ventricle = subject.truth((height, width)).ventricle
        if ventricle is not None:
            found, _ = cv2.findContours(
                np.asarray(ventricle.any(axis=0), np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(picture, found, -1, STAMP, 1 + width // 500)
            self._known = True
        size = (self.WIDTH, round(self.WIDTH * height / width))
        tile = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if width > self.WIDTH else cv2.INTER_NEAREST)
        tile = cv2.copyMakeBorder(tile, 18, 2, 2, 2, cv2.BORDER_CONSTANT, value=PAPER)
        name = f"{method}  {subject.case_id}"[:40]
        cv2.putText(tile, name, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, INK, 1, cv2.LINE_AA)
        self._tiles.setdefault(subject.case_id, []).append(np.asarray(tile, np.uint8))

    def write(self, path: Path, phantom: bool) -> None:
        """Write the sheet as PNG, stamped where the clips are synthetic.

        Raises:
            EchokitError: The file cannot be written.
        """
        import cv2

        from echokit.data.preprocess.mask_region import PAPER, STAMP

        rows = []
        for tiles in self._tiles.values():
            height = max(tile.shape[0] for tile in tiles)
            grown = [np.pad(tile, ((0, height - tile.shape[0]), (0, 0), (0, 0))) for tile in tiles]
            rows.append(np.hstack(grown))
        if not rows:
            return
        picture = np.vstack(rows)
        caption = f"{PHANTOM}: " if phantom else ""
        banner = np.full((26, picture.shape[1], 3), PAPER, np.uint8)
        caption += "dimmed: removed; line: what is kept" + (", amber: the ventricle" if self._known else "")
        cv2.putText(banner, caption, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, STAMP, 1, cv2.LINE_AA)
        picture = np.vstack([banner, picture])
        _, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data.tobytes())
        except OSError as error:
            raise EchokitError(
                f"the pictures cannot be written: {error.strerror}", where=path.name, code="file.not_writable"
            ) from None
