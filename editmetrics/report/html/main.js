// Pages by the address: #overview, #gallery, #failures. Each is drawn when it is first looked at.

const PAGES = {
  overview: { title: "Overview", draw: drawOverview },
  gallery: { title: "Gallery", draw: (page) => { drawGallery(page); refresh(); }, number: count },
  failures: { title: "Failures", draw: drawFailures, number: report.unscored },
};

function drawOverview(page) {
  if (report.notes.length) page.append(make("ul", { class: "notes" }, report.notes.map((note) => make("li", { class: "note" }, note))));
  drawBoards(page);
  drawAgreement(page);
  drawHistograms(page);
  drawCorrelations(page);
}

function show() {
  const wanted = location.hash.slice(1);
  const name = Object.hasOwn(PAGES, wanted) ? wanted : "overview";
  for (const other of Object.keys(PAGES)) {
    byId(`page-${other}`).hidden = other !== name;
    const link = byId(`to-${other}`);
    if (other === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const page = byId(`page-${name}`);
  if (!page.hasChildNodes()) PAGES[name].draw(page);
  scrollTo(0, 0);
}

byId("pages").append(...Object.entries(PAGES).map(([name, { title, number }]) =>
  make("a", { href: `#${name}`, id: `to-${name}` }, title, number === undefined ? null : make("span", { class: "count" }, number.toLocaleString("en")))));
byId("summary").append([plural(report.samples, "pair"), report.systems.length ? plural(report.systems.length, "system") : null,
  plural(report.columns.length, "score column"), report.table].filter(Boolean).join(" · "));
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("content").focus();
});
drawProvenance(byId("provenance"));
startPair();
addEventListener("hashchange", show);
show();
performance.mark("ready");
document.documentElement.dataset.ready = "true";
