"""Report sections in the page: tables and lists are shown, and raw HTML stays text."""

import pytest

from echokit.results.page.markdown import as_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo", "<p>one\ntwo</p>\n"),
        ("- a **b**\n- c", "<ul>\n<li>a <strong>b</strong></li>\n<li>c</li>\n</ul>\n"),
        ("# Head\n\ntext `x < y`", "<h3>Head</h3>\n<p>text <code>x &lt; y</code></p>\n"),
        ("```\na | b\n```", "<pre><code>a | b\n</code></pre>\n"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("a <b onclick='x()'>b</b>", "<p>a &lt;b onclick='x()'&gt;b&lt;/b&gt;</p>\n"),
        ("</table>", "<p>&lt;/table&gt;</p>\n"),
    ],
)
def test_blocks(text: str, html: str) -> None:
    assert str(as_html(text)) == html


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://example.org/a", True),
        ("http://example.org", True),
        ("plots/roc.png", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        ("java&#115;cript:alert(1)", False),
        ("data:text/html,x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_only_web_and_relative_links_become_links(url: str, is_link: bool) -> None:
    assert ("<a href=" in as_html(f"[text]({url})")) == is_link
    assert ("<a href=" in as_html(f"<{url}>")) == (is_link and "://" in url)


def test_images_are_not_loaded() -> None:
    assert "<img" not in as_html("![x](https://example.org/x.png)")


def test_a_table_has_heads_and_rows() -> None:
    html = str(as_html("| what | AUROC |\n|---|---|\n| age <b> | 0.6 |\n| a \\| b | 0.7 |"))
    assert html.count("<tr>") == 3
    assert '<th scope="col">AUROC</th>' in html
    assert '<th scope="row">age &lt;b&gt;</th>\n<td>0.6</td>' in html
    assert '<th scope="row">a | b</th>' in html
    assert html.count("<div") == html.count("</div>") == 1


def test_cells_of_a_wide_table_name_their_column() -> None:
    html = str(as_html("| a | b | c | d | e |\n|---|---|---|---|---|\n| 1 | 2 | 3 | 4 | 5 |"))
    assert '<table class="stack">' in html
    assert '<th scope="row">1</th>\n<td data-head="b">2</td>' in html
    assert 'class="stack"' not in str(as_html("| a | b |\n|---|---|\n| 1 | 2 |"))
