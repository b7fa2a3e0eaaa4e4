"""Sections of plugins in the page: their tables and lists are shown, and what looks like HTML stays text."""

import pytest

from echokit.page.markdown import as_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo", "<p>one\ntwo</p>"),
        ("- a **b**\n- c\n  d", "<ul><li>a <strong>b</strong>\n</li><li>c\n  d</li></ul>"),
        ("# Head\n\ntext `x < y`", "<h3>Head</h3><p>text <code>x &lt; y</code></p>"),
        ("```\na | b\n```", "<pre>a | b</pre>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
    ],
)
def test_blocks(text: str, html: str) -> None:
    assert str(as_html(text)) == html


def test_a_table_has_heads_and_rows() -> None:
    html = str(as_html("| what | AUROC |\n|---|---|\n| age <b> | 0.6 |\n| a \\| b | 0.7 |"))
    assert html.count("<tr>") == 3
    assert '<th scope="col">AUROC</th>' in html
    assert '<th scope="row">age &lt;b&gt;</th><td>0.6</td>' in html
    assert '<th scope="row">a | b</th>' in html
