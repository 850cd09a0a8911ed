"""Markdown and LaTeX: what a renderer and a compiler make of hostile prompts."""

import re
import shutil
import subprocess

import pytest

from editmetrics.files.escaping import UNSEEN, escape_latex, escape_markdown
from editmetrics.report.html.data import script_json
from editmetrics.report.write import write_report

from .conftest import HOSTILE

LATEX = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\\input{report}\\end{document}"


@pytest.fixture(scope="module")
def texts(run_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    for suffix in (".md", ".tex"):
        write_report(run_folder / "scores.csv", folder / f"report{suffix}")
    return folder


def rendered(text):
    from markdown_it import MarkdownIt  # comes with rich

    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def flat(tokens):
    for token in tokens:
        yield token
        yield from token.children or ()


@pytest.mark.parametrize("prompt", [*HOSTILE, "www.example.org", "- [ ] x", "1. x", "&lt;", "\x1b[31m", "a\nb\n\n# c"])
def test_a_markdown_renderer_shows_the_very_text(prompt):
    said = UNSEEN.sub(" ", prompt)
    tokens = list(flat(rendered(f"| a |\n| --- |\n| {escape_markdown(prompt)} |\n")))
    assert {t.type for t in tokens} <= {
        "table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close", "tr_open", "tr_close",
        "th_open", "th_close", "td_open", "td_close", "inline", "text", "text_special",
    }  # fmt: skip
    cells = [t for t in tokens if t.type == "inline"]
    assert len(cells) == 2
    assert " ".join("".join(t.content for t in cells[1].children).split()) == " ".join(said.split())


def test_the_whole_markdown_report_is_tables_of_text(texts):
    tokens = list(flat(rendered((texts / "report.md").read_text(encoding="utf-8"))))
    assert not {t.type for t in tokens} & {"html_inline", "html_block", "link_open", "image", "code_inline", "em_open"}
    headings = [tokens[at + 1].content for at, t in enumerate(tokens) if t.type == "heading_open"]
    for wanted in ("Leaderboard", "By edit\\_type", "Correlations between metrics", "Worst", "What was not scored"):
        assert wanted in headings
    text = (texts / "report.md").read_text(encoding="utf-8")
    assert "would rather not" in text
    assert "Identity of psnr" in text
    assert "@everyone" not in text


@pytest.mark.parametrize("program", ["pdflatex", "lualatex"])
def test_the_latex_compiles(texts, program):
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program}: apt-get install texlive-latex-recommended")
    (texts / "paper.tex").write_text(LATEX, encoding="ascii")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    ran = subprocess.run(command, cwd=texts, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert (texts / "paper.pdf").stat().st_size > 10_000
    assert "Overfull" not in ran.stdout


def test_latex_is_ascii_and_balanced(texts):
    text = (texts / "report.tex").read_text(encoding="ascii")
    assert "\\input{" not in text  # the prompt that says so is set, not obeyed
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") >= 6
    assert text.count(r"\toprule") == text.count(r"\bottomrule")


def test_latex_characters():
    assert escape_latex(r"\ {}$&#_%^~") == (r"\textbackslash{} \{\}\$\&\#\_\%\textasciicircum{}\textasciitilde{}")
    assert escape_latex("a-b −0.5") == "a{-}b $-$0.5"
    assert escape_latex("naïve é ç ↑ 中") == r"na\" {\i}ve \'{e} \c{c} $\uparrow$ \editmetricscode{4E2D}".replace(
        r"\" {\i}", r"\"{\i}"
    )


@pytest.mark.parametrize("prompt", [*HOSTILE, "\u2028</SCRIPT >", "\ud800"])
def test_json_in_a_script_element_stays_in_it(prompt):
    import json
    from html.parser import HTMLParser

    text = script_json([prompt])
    assert not re.search("[<>&\u2028\u2029]", text)

    class Parser(HTMLParser):
        tags, data = 0, ""

        def handle_starttag(self, tag, attributes):
            self.tags += 1

        def handle_data(self, data):
            self.data += data

    parser = Parser()
    parser.feed(f'<script type="application/json">{text}</script>')
    assert parser.tags == 1
    wanted = prompt if prompt.isprintable() or prompt != "\ud800" else "\\ud800"
    assert json.loads(parser.data) in ([wanted], [prompt])
