// The leaderboard, and the same for each kind of edit: a line for each system, a column for each metric.

function boardTable(board) {
  const grouped = board.column !== null;
  const system = (line) => line.system ?? (hasSystems ? "(none)" : "all");
  const columns = [
    grouped ? { head: board.column, name: true, row: true, key: (line) => line.group, cell: (line) => line.group } : null,
    hasSystems || !grouped ? { head: hasSystems ? "system" : "", phone: "system", name: true, row: !grouped, key: system, cell: system } : null,
    { head: "samples", down: true, key: (line) => line.samples, cell: (line) => line.samples },
    ...report.columns.map((column, place) => ({
      head: breakable(`${column.short}\u00a0${arrow(column)}`), of: boardUnit(column), title: `${column.name}: ${direction(column)}`, down: column.higher,
      key: (line) => line.cells[place].mean, cell: (line) => boardCell(line.cells[place], place) })),
  ].filter(Boolean);
  const apart = grouped && hasSystems ? (line, previous) => previous !== undefined && line.group !== previous.group : null;
  return sortableTable(columns, board.lines, { className: "stacked board", apart, label: grouped ? `Means by ${board.column}` : "Leaderboard" });
}

function boardUnit(column) {
  return [column.short === column.name ? null : column.label, column.unit].filter(Boolean).join(", ") || null;
}

function boardCell(cell, place) {
  const column = report.columns[place];
  const digits = digitsOf(cell.low, cell.high);
  const lost = Object.entries(cell.unscored).map(([status, number]) => `${number} ${status}`);
  return make("td", { class: cell.best ? "best" : null, title: cell.best ? "better than every other system by more than noise" : null, "data-of": `${column.short} ${arrow(column)}` }, make("span", {},
    make("span", { class: "mean" }, rounded(cell.mean, digits)),
    cell.best ? make("span", { class: "hidden-text" }, " (best)") : null,
    cell.low === null ? null : make("span", { class: "interval" }, `${rounded(cell.low, digits)} to ${rounded(cell.high, digits)}`),
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
    if (report.likeness) page.append(make("p", { class: "caption warn" }, `${report.likeness} An edit that does nothing scores best.`));
    page.append(make("p", { class: "caption" },
      `Mean over the finite scores, with its ${level} interval: a bootstrap of ${report.replicates} resamples that draws ${drawn}. `,
      "Missing scores are left out of means, and counted below them. ",
      report.compared
        ? "★: better than every other system by more than noise, in paired tests on the samples that both have scores for, corrected for all metrics and systems. No ★ in a column: no system leads by more than noise."
        : "One system, so nothing is ranked."));
    drawSystems(page);
  }
}

// Is one system better than another: the differences behind the stars.
function drawSystems(page) {
  if (!report.systemDifferences) return;
  const { title, heads, rows: lines, notes } = report.systemDifferences;
  const columns = heads.map((head, place) => ({ head, name: place === 0 || Number.isNaN(numberIn(lines[0][place].text)), down: true,
    key: (line) => (Number.isNaN(numberIn(line[place].text)) ? line[place].text : numberIn(line[place].text)),
    cell: (line) => make("span", { class: line[place].mark === "best" ? "winner" : null }, breakable(line[place].text.replace("-", place && !Number.isNaN(numberIn(line[place].text)) ? "−" : "-"))) }));
  page.append(make("h2", {}, title), sortableTable(columns, lines, { className: "stacked", label: title }),
    make("p", { class: "caption" }, `${notes.join(". ")}.`));
}

// The number that a text begins with; NaN where it is none.
function numberIn(text) {
  return /^[+-]?[0-9.]+(e[+-]?[0-9]+)?( to |$)/.test(text) ? parseFloat(text) : NaN;
}

function drawAgreement(page) {
  if (!report.agreement.length) return;
  const measure = (name) => ({ head: name.toUpperCase(), down: true, key: (line) => line.measures[name]?.[0] ?? null, cell: (line) => {
    const [value, low, high, , , note] = line.measures[name] ?? [null, null, null, 0, 0, ""];
    const digits = digitsOf(low, high);
    return make("td", { "data-of": name.toUpperCase(), title: note }, make("span", {}, make("span", { class: "mean" }, rounded(value, digits)),
      low === null ? null : make("span", { class: "interval" }, `${rounded(low, digits)} to ${rounded(high, digits)}`)));
  } });
  const named = (line) => {
    const column = report.columns.find((other) => other.name === line.score);
    return `${line.score}\u00a0${column ? arrow(column) : ""}`;
  };
  const columns = [{ head: "score", name: true, row: true, key: (line) => line.score, cell: (line) => breakable(named(line)) },
    { head: "rating", name: true, key: (line) => line.rating, cell: (line) => line.rating }, measure("srcc"), measure("plcc"),
    { head: "n", down: true, key: (line) => line.measures.srcc?.[3] ?? 0, cell: (line) => line.measures.srcc?.[3] ?? 0 },
    { head: "left out", down: true, key: (line) => line.measures.srcc?.[4] ?? 0, cell: (line) => line.measures.srcc?.[4] ?? 0 }];
  page.append(make("h2", {}, "Agreement with people"), sortableTable(columns, report.agreement, { label: "Agreement with people" }),
    make("p", { class: "caption" }, "Correlations have the sign of the numbers: where lower is better (↓), a negative one agrees. 'editmetrics evaluate' says more. ",
      report.agreementNotes.join("; "), report.agreementNotes.length ? "." : ""));
}
