"""Text that is escaped for a format is that text again when the format is read."""

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editmetrics.files.escaping import escape_html, escape_latex, escape_markdown, latex_comment
from editmetrics.files.text import escape_terminal

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]))


@given(TEXT)
def test_html_is_read_again(text):
    assert html.unescape(escape_html(text)) == text
    assert not set("<>\"'") & set(escape_html(text))


@given(TEXT)
def test_markdown_is_read_again(text):
    unescaped = html.unescape(re.sub(r"\\([\\`*_{}\[\]()#+!|~$-])", r"\1", escape_markdown(text)))
    assert unescaped == text


@pytest.mark.parametrize("hostile", ["[a](http://x)", "<script>", "@all", "a|b", "www.x.y", "`x`", "a\nb", "# a"])
def test_no_markup_survives_in_markdown(hostile):
    escaped = escape_markdown(hostile)
    assert not re.search(r"(?<!\\)[\[\]`|#]", escaped.replace("&#", ""))
    assert not re.search(r"[<>@\n]|://|www\.", escaped)


@given(st.text())
def test_latex_is_ascii_in_one_line(text):
    assert all(" " <= character <= "~" for character in escape_latex(text) + latex_comment(text))


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"])))
def test_latex_has_no_command_of_the_text(text):
    known = r"\\(textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar)\{\}|\\`\{\}|\\[{}$&#_%]"
    left = re.sub(known + r"|\{\\char3[49]\}|\{[-\[\]?!]\}", "", escape_latex(text))
    assert not set(left) & set("\\{}$&#_%^~<>|\"'`-[]?!")


@given(st.text())
def test_a_terminal_gets_no_control_character(text):
    shown = escape_terminal(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    shown.encode()


@given(st.dictionaries(st.text(), st.text()))
def test_json_keeps_its_meaning_on_a_terminal(value):
    assert json.loads(escape_terminal(json.dumps(value, ensure_ascii=False))) == value
