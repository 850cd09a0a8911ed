// Where each number comes from: the identity of each metric, and the runs in the record.

function drawProvenance(page) {
  const { metrics, runs, record } = report.provenance;
  page.append(make("h2", {}, "Where these numbers come from"),
    make("p", { class: "caption" }, record ? `${report.table} and ${record}. A number is the same only if its identity is.`
      : `${report.table}; it has no record, so the identities of its metrics are unknown.`));
  for (const { label, columns, key, identity } of metrics) {
    page.append(make("details", {}, make("summary", {}, make("strong", {}, label), " ", identity ? [identityInShort(identity), " ", make("code", {}, key)] : make("span", { class: "lost" }, "identity not known")),
      columns.length > 1 || columns[0] !== label ? make("p", {}, `Columns: ${columns.join(", ")}`) : null,
      identity ? make("pre", { class: "said" }, JSON.stringify(identity, null, 1)) : null));
  }
  if (runs.length) {
    page.append(make("details", {}, make("summary", {}, plural(runs.length, "run")), runs.map((run) => make("pre", { class: "said" }, JSON.stringify(run, null, 1)))));
  }
  page.append(make("p", { class: "soft" }, `Report by editmetrics ${report.version}. Intervals: ${report.replicates} resamples, seed ${report.seed}.`));
}

function identityInShort(identity) {
  return `version ${identity.version ?? "?"} from ${identity.package ?? "?"}`;
}
