// A card: three thumbnails, the prompt, and the scores that fit.

const CHIPS = Math.min(6, report.columns.length);

function card(index, { badge = null, sorted = null, open }) {
  const label = `${rows.id[index]}${rows.system[index] ? `, ${rows.system[index]}` : ""}: ${rows.prompt[index] ?? "no prompt"}`;
  return make("article", { class: "card", role: "button", "aria-label": label, "data-index": index,
    onclick: open, onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open();
    } },
  make("div", { class: report.kinds.length > 1 ? "trio" : "solo" }, report.kinds.map((number) => thumbnail(index, KINDS[number], number))),
  hasPrompts ? make("p", { class: "prompt", title: rows.prompt[index] }, rows.prompt[index] ?? "") : null,
  make("p", { class: "who", title: rows.id[index] }, badge ? [make("span", { class: "badge" }, badge), " "] : null,
    rows.system[index] && !rows.id[index].startsWith(rows.system[index]) ? `${rows.system[index]} · ` : "", rows.id[index]),
  make("ul", { class: "chips" }, chipColumns(sorted).map((column) => chip(index, column, column === sorted)), moreChips(index, sorted)));
}

function thumbnail(index, kind, number) {
  const found = picture(index, number);
  const shownKind = kind === "difference" ? `difference × ${report.amplified}` : kind;
  return make("figure", {}, make("div", { class: "frame" }, found === null ? make("span", { title: missingWhy(index, number) }, kind === "difference" ? "no difference" : `no ${kind} image`)
    : make("img", { src: found, alt: "", decoding: "async" })), make("figcaption", {}, shownKind));
}

function chipColumns(sorted) {
  const others = report.columns.filter((column) => column !== sorted);
  return (sorted ? [sorted, ...others] : others).slice(0, CHIPS);
}

// How many scores are not on the card, and which.
function moreChips(index, sorted) {
  const hidden = report.columns.filter((column) => !chipColumns(sorted).includes(column));
  if (!hidden.length) return null;
  const values = hidden.map((column) => `${column.name} ${index in column.unscored ? column.unscored[index][0] : said(column.values[index])}`);
  return make("li", { class: "more", title: values.join(", ") }, `+${hidden.length}`);
}

function chip(index, column, sorted) {
  const lost = column.unscored[index];
  const chip = make("li", { class: `chip${lost ? " none" : ""}${sorted ? " sorted" : ""}`, title: lost ? `${column.name}: ${lost[0]}: ${lost[1]}` : `${column.name}, ${direction(column)}` },
    make("span", {}, `${column.short} ${arrow(column)}`), make("span", {}, lost ? lost[0] : said(column.values[index])));
  if (!lost) chip.style.backgroundSize = `${100 * column.percentiles[index]}% 2px`;
  return chip;
}
