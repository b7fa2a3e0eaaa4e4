"""The little Markdown of sections, as HTML: paragraphs, lists, tables, code, bold. All else is text."""

from __future__ import annotations

import re

from markupsafe import Markup, escape


def as_html(text: str) -> Markup:
    """Turn paragraphs, ``- `` lists, pipe tables and fenced code into HTML; whatever looks like HTML stays text."""
    parts = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if block.startswith("```"):
            parts.append(f"<pre>{escape(block.strip('`').strip())}</pre>")
        elif all(line.lstrip().startswith("|") for line in lines) and len(lines) > 1:
            parts.append(_table(lines))
        elif all(line.startswith(("- ", "  ")) for line in lines):
            items = re.split(r"^- ", block, flags=re.M)[1:]
            parts.append("<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>")
        elif lines[0].startswith("#"):
            parts.append(f"<h3>{_inline(lines[0].lstrip('# '))}</h3>")
            if lines[1:]:
                parts.append(str(as_html("\n".join(lines[1:]))))
        else:
            parts.append(f"<p>{_inline(block)}</p>")
    return Markup("".join(parts))


def _table(lines: list[str]) -> str:
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
    head, *body = [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    heads = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in head)
    made = []
    for row in body:
        first, *rest = row
        cells = "".join(f"<td>{_inline(cell)}</td>" for cell in rest)
        made.append(f'<tr><th scope="row">{_inline(first)}</th>{cells}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(made)}</tbody></table></div>"
    )


def _inline(text: str) -> str:
    safe = str(escape(text.replace("\\|", "|")))
    safe = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
