"""One model of a table, rendered for terminal, Markdown, LaTeX and HTML, and the tables of every command."""
