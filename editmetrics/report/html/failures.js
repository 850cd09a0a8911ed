// What has no score: a box for each reason, and the samples it happened to.

function drawFailures(page) {
  page.append(make("h2", {}, "What was not scored"));
  if (report.failures.length === 0) {
    page.append(make("p", {}, "Every metric has scored every sample."));
    return;
  }
  page.append(make("p", { class: "caption" }, "The most frequent first. None of these is in a mean, an interval or a correlation."));
  for (const failure of report.failures) {
    const shown = failure.samples.filter(([, place]) => place >= 0).map(([, place]) => place);
    const items = failure.samples.map(([id, place]) => {
      if (place < 0) return make("li", {}, make("span", {}, id));
      const button = make("button", { type: "button", onclick: () => openPair(shown, shown.indexOf(place), button) }, id);
      return make("li", {}, button);
    });
    if (failure.count > failure.samples.length) items.push(make("li", {}, make("span", {}, `and ${failure.count - failure.samples.length} more`)));
    page.append(make("article", { class: "failure" },
      make("h3", {}, `${failure.metrics}: `, make("span", { class: "lost-word" }, plural(failure.count, failure.status, failure.status))),
      make("p", { class: "why" }, failure.reason), make("ul", { class: "ids" }, items)));
  }
}
