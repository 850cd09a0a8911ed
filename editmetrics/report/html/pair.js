// One opened pair: larger pictures, every score with its reason, and what the models said.

const OTHERS = 3; // systems beside this one in the table of scores

const pair = { order: [], place: 0, opener: null };

function openPair(order, place, opener) {
  Object.assign(pair, { order, place, opener });
  const focused = document.activeElement?.closest("#pair button")?.getAttribute("aria-label") ?? null;
  drawPair();
  const dialog = byId("pair");
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  const again = focused === null ? null : dialog.querySelector(`button[aria-label="${focused}"]:enabled`);
  (again ?? byId("pair-title")).focus(); // a key that is pressed now is the dialog's, and not the page's
}

function step(by) {
  const place = pair.place + by;
  if (place < 0 || place >= pair.order.length) return;
  openPair(pair.order, place, pair.opener);
}

function drawPair() {
  const index = pair.order[pair.place];
  const button = (text, label, action, off) => make("button", { type: "button", "aria-label": label, title: label, onclick: action, disabled: off }, text);
  byId("pair").replaceChildren(
    make("div", { class: "bar" }, make("h2", { id: "pair-title", tabindex: "-1" }, rows.id[index]), make("div", {},
      button("←", "Previous pair", () => step(-1), pair.place === 0),
      button("→", "Next pair", () => step(1), pair.place === pair.order.length - 1),
      button("✕", "Close", () => byId("pair").close(), false))),
    make("div", { class: "inside" },
      make("p", { class: "soft" }, [rows.system[index], `${pair.place + 1} of ${pair.order.length}`].filter(Boolean).join(" · ")),
      rows.prompt[index] === null && !hasPrompts ? null : make("p", { class: "asked" }, rows.prompt[index] ?? make("span", { class: "soft" }, "no prompt")),
      make("div", { class: "large" }, report.kinds.filter((number) => number < 2).map((number) => largeFigure(index, KINDS[number], number)),
        othersFigures(index), report.kinds.includes(2) ? largeFigure(index, "difference", 2) : null),
      compareBlock(index),
      rows.disputants[index] ? make("p", { class: "caption" }, `Farthest apart: ${rows.disputants[index]} (percentile among all samples).`) : null,
      scoresTable(index), otherTable(index), explanationsOf(index)));
}

function largeFigure(index, kind, number) {
  const large = largerPicture(index, number);
  const found = large ?? picture(index, number);
  const link = report.links[`${index} ${kind}`];
  const why = missingWhy(index, number);
  const name = kind === "edited" && hasSystems ? systemName(index) : kind;
  const caption = [kind === "difference" ? `difference × ${report.amplified}, the largest of three channels; white is ${Math.ceil(255 / report.amplified)} levels or more` : name];
  if (found !== null && large === null) caption.push("thumbnail");
  return make("figure", {}, make("div", { class: "frame" }, found === null ? make("span", {}, why ?? "no picture")
    : make("img", { src: found, alt: `${kind} of ${rows.id[index]}` })),
  make("figcaption", {}, caption.join(" · "), link ? [" · ", make("a", { href: link, target: "_blank", rel: "noreferrer noopener" }, "open the file")] : null,
    found !== null && why ? make("span", { class: "of" }, why) : null));
}

function scoresTable(index) {
  const others = sameTask(index).slice(1, 1 + OTHERS);
  const lines = report.columns.map((column) => {
    const lost = column.unscored[index];
    const place = column.percentiles[index];
    return make("tr", {}, make("th", { scope: "row" }, breakable(`${column.name}\u00a0${arrow(column)}`)), lost
      ? make("td", { class: "text", colspan: "2" }, make("span", { class: "lost" }, lost[0]), lost[1])
      : [make("td", {}, make("span", { class: "mean" }, said(column.values[index])),
        index in column.uncertainty ? make("span", { class: "interval" }, `± ${said(column.uncertainty[index])}`) : null),
      make("td", { title: `better than ${percent(place)} of all samples` }, meter(place))],
    others.map((other) => make("td", {}, other in column.unscored ? make("span", { class: "lost" }, column.unscored[other][0]) : said(column.values[other]))));
  });
  const people = report.ratings.map((rating) => make("tr", {}, make("th", { scope: "row" }, `${rating.name} (people)`), make("td", {}, said(rating.values[index])), make("td")));
  return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "name" }, "metric"), make("th", { scope: "col" }, others.length ? systemName(index) : "score"),
    make("th", { scope: "col" }, "among all"), others.map((other) => make("th", { scope: "col" }, systemName(other))))), make("tbody", {}, lines, people)));
}

function meter(share) {
  const bar = make("i");
  bar.style.width = `${100 * share}%`;
  return [make("span", { class: "interval" }, percent(share)), make("span", { class: "meter", "aria-hidden": "true" }, bar)];
}

function otherTable(index) {
  const lines = Object.entries(rows.other).filter(([, texts]) => texts[index] !== null);
  return lines.length === 0 ? null : make("table", {}, make("tbody", {}, lines.map(([name, texts]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "text" }, texts[index])))));
}

function explanationsOf(index) {
  const found = [];
  for (const [label, said] of Object.entries(rows.explanations)) {
    if (index in said) found.push(make("h3", {}, `${label} explains`), make("p", { class: "said" }, said[index]));
  }
  for (const [label, said] of Object.entries(rows.details)) {
    if (index in said) found.push(make("details", {}, make("summary", {}, `${label}: details`), make("pre", { class: "said" }, said[index])));
  }
  return found;
}

function startPair() {
  const dialog = byId("pair");
  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("pre, input, select")) return; // the divider has the arrows for itself
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    const opener = pair.opener;
    if (opener instanceof Function) opener(pair.order[pair.place]);
    else opener?.focus();
  });
}
