// Do the metrics order the samples alike? A table whose shade only repeats its numbers.

function drawCorrelations(page) {
  const names = [...report.columns.map((column) => ({ short: column.short, name: column.name })),
    ...report.ratings.map((rating) => ({ short: `${rating.name} (people)`, name: rating.name }))];
  if (names.length < 2) return;
  const body = report.correlations.map((line, row) => make("tr", {}, make("th", { scope: "row", title: names[row].name }, names[row].short),
    line.map(([value, n, note], other) => row === other ? make("td", { class: "soft" }, "·")
      : make("td", { class: value === null ? "soft" : `shade-${shade(value)}`, title: `${names[row].name} with ${names[other].name}: n = ${n}${note ? `; ${note}` : ""}` },
        value === null ? "–" : value.toFixed(2).replace("-", "−")))));
  page.append(make("h2", {}, "Do the metrics agree?"),
    make("p", { class: "caption" }, "SRCC of each metric with each over the samples that both scored, turned so that better is more: 1 orders them alike, −1 the other way round."),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Correlations between metrics" },
      make("table", { class: "matrix" }, make("thead", {}, make("tr", {}, make("td"), names.map(({ short, name }) => make("th", { scope: "col", title: name }, breakable(short))))),
        make("tbody", {}, body))));
}

function shade(value) {
  return Math.sign(value) * Math.min(4, Math.round(Math.abs(value) * 4.4));
}
