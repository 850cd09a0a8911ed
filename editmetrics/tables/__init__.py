"""One model of a table, and what every command shows with it: on a terminal, as Markdown, LaTeX and HTML."""
