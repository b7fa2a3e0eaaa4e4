"""Markdown of report sections as HTML; raw HTML stays text."""

from __future__ import annotations

from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

MOST_COLUMNS = 4
"""Of a table that fits on a phone."""
SCROLL = '<div class="scroll" tabindex="0" role="region" aria-label="Table">'


def as_html(text: str) -> Markup:
    """Convert CommonMark with tables to HTML.

    Headings have level 3. Images are not shown, and links must be http(s) or relative.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.validateLink = _is_web_link  # type: ignore[method-assign]
    tokens = parser.parse(text)
    _mark_table_heads(tokens)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h3"
    html = str(parser.renderer.render(tokens, parser.options, {}))
    return Markup(html.replace("<table", f"{SCROLL}<table").replace("</table>", "</table></div>"))


def _is_web_link(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in ("", "http", "https")
    except ValueError:
        return False


def _mark_table_heads(tokens: list[Token]) -> None:
    """Turn the first cell of each row into its head, for screen readers.

    The cells of a wide table have the head of their column: on a phone, each row becomes a list.
    """
    heads: list[str] = []
    column, table = 0, None
    for number, token in enumerate(tokens):
        if token.type == "table_open":
            heads, table = [], token
        elif token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            token.attrSet("scope", "col")
            heads.append(tokens[number + 1].content)
            if len(heads) > MOST_COLUMNS and table is not None:
                table.attrSet("class", "stack")
        elif token.type == "td_open":
            if column == 0:
                token.tag = tokens[number + 2].tag = "th"  # open, inline, close
                token.attrSet("scope", "row")
            elif len(heads) > MOST_COLUMNS:
                token.attrSet("data-head", heads[column])
            column += 1
