// The leaderboard, and the same for each kind of edit: a line for each system, a column for each metric.

function boardTable(board) {
  const grouped = board.column !== null;
  const state = { sorted: null, down: true };
  const body = make("tbody");
  const headers = report.columns.map((column, place) => {
    const button = make("button", { type: "button", title: `${column.name}: ${direction(column)}. Sort by it.`, onclick: () => sort(place) },
      breakable(`${column.short}\u00a0${arrow(column)}`), column.short === column.name && !column.unit ? null : make("span", { class: "of" },
        [column.short === column.name ? null : column.label, column.unit].filter(Boolean).join(", ")));
    return make("th", { scope: "col", "aria-sort": "none" }, button);
  });
  const table = make("table", { class: "stacked board" }, make("thead", {}, make("tr", {},
    grouped ? make("th", { scope: "col", class: "name" }, board.column) : null,
    hasSystems || !grouped ? make("th", { scope: "col", class: "name" }, hasSystems ? "system" : "") : null,
    make("th", { scope: "col" }, "samples"), headers)), body);

  function draw(lines) {
    let previous = null;
    body.replaceChildren(...lines.map((line) => {
      const apart = grouped && hasSystems && previous !== null && line.group !== previous;
      previous = line.group;
      return make("tr", { class: apart ? "apart" : null },
        grouped ? make("th", { scope: "row" }, line.group) : null,
        grouped ? (hasSystems ? make("td", { class: "name", "data-of": "system" }, line.system ?? "(none)") : null)
          : make("th", { scope: "row" }, line.system ?? (hasSystems ? "(none)" : "all")),
        make("td", { "data-of": "samples" }, line.samples), line.cells.map(boardCell));
    }));
  }

  function sort(place) {
    state.down = state.sorted === place ? !state.down : report.columns[place].higher;
    state.sorted = place;
    headers.forEach((header, other) => header.setAttribute("aria-sort", other !== place ? "none" : state.down ? "descending" : "ascending"));
    const key = (line) => line.cells[place].mean;
    draw([...board.lines].sort((a, b) => key(a) === null ? 1 : key(b) === null ? -1 : (state.down ? -1 : 1) * (key(a) - key(b))));
  }

  draw(board.lines);
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": grouped ? `Means by ${board.column}` : "Leaderboard" }, table);
}

function boardCell(cell, place) {
  const column = report.columns[place];
  const lost = Object.entries(cell.unscored).map(([status, number]) => `${number} ${status}`);
  return make("td", { class: cell.best ? "best" : null, "data-of": `${column.short} ${arrow(column)}` }, make("span", {},
    make("span", { class: "mean" }, said(cell.mean)),
    cell.best ? make("span", { class: "interval" }, "ahead of all others") : null,
    cell.low === null ? null : make("span", { class: "interval" }, `${said(cell.low)} to ${said(cell.high)}`),
    lost.length || cell.infinite ? make("span", { class: "interval" }, `n = ${cell.n}${cell.infinite ? `, ${cell.infinite} infinite` : ""}`) : null,
    lost.map((text) => make("span", { class: "lost" }, text))));
}

function drawBoards(page) {
  const level = percent(report.level);
  const drawn = { source: "edits of one source together", sample: "all systems' answers to one request together", row: "samples one by one" }[report.clusteredBy];
  for (const board of report.boards) {
    const grouped = board.column !== null;
    page.append(make("h2", {}, grouped ? `By ${board.column}` : report.compared ? "Leaderboard" : "Mean scores"), boardTable(board));
    if (grouped) continue;
    page.append(make("p", { class: "caption" },
      `Mean over the finite scores, with its ${level} interval: a bootstrap of ${report.replicates} resamples that draws ${drawn}. `,
      "Missing scores are left out of means, and counted below them. ",
      report.compared
        ? `★: ahead of every other system by more than noise, in paired tests on the samples that both scored (p < ${said(1 - report.level)} after Bonferroni's correction). No ★ in a column: no system leads by more than noise.`
        : "One system, so nothing is ranked."));
  }
}

function drawAgreement(page) {
  if (!report.agreement.length) return;
  const body = report.agreement.map(({ score, rating, measures }) => {
    const column = report.columns.find((other) => other.name === score);
    const cell = (name) => {
      const [value, low, high, n, excluded, note] = measures[name] ?? [null, null, null, 0, 0, ""];
      return [make("td", { "data-of": name.toUpperCase(), title: note }, make("span", {}, make("span", { class: "mean" }, said(value)),
        low === null ? null : make("span", { class: "interval" }, `${said(low)} to ${said(high)}`))), n, excluded];
    };
    const [first, n, excluded] = cell("srcc");
    return make("tr", {}, make("th", { scope: "row" }, breakable(`${score}\u00a0${column ? arrow(column) : ""}`)), make("td", { class: "name", "data-of": "rating" }, rating),
      first, cell("plcc")[0], make("td", { "data-of": "n" }, n), make("td", { "data-of": "left out" }, excluded));
  });
  page.append(make("h2", {}, "Agreement with people"), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Agreement with people" },
    make("table", { class: "stacked" }, make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "name" }, "score"), make("th", { scope: "col", class: "name" }, "rating"),
      ["SRCC", "PLCC", "n", "left out"].map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, body))),
    make("p", { class: "caption" }, "Correlations have the sign of the numbers: where lower is better (↓), a negative one agrees. 'editmetrics evaluate' says more. ",
      report.agreementNotes.join("; "), report.agreementNotes.length ? "." : ""));
}
