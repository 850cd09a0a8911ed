"use strict";
(() => {
const element = (name) => document.getElementById(name);
const buttons = [...document.querySelectorAll("#answers button")];
let rater = "", trial = null, busy = true;

function setBusy(value) {
  busy = value;
  for (const button of buttons) button.disabled = value;
}

function tell(text) {
  element("message").textContent = text;
  element("message").hidden = !text;
}

function figure(address, caption) {
  const image = new Image();
  image.src = address;
  image.alt = caption;
  const box = document.createElement("figure");
  const line = document.createElement("figcaption");
  line.textContent = caption;
  box.append(line, image);
  return box;
}

async function ask(route, body) {
  setBusy(true);
  let answer;
  try {
    const sent = await fetch(route, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    answer = await sent.json();
    if (sent.status === 409 && route === "vote") return ask("next", { rater }); // voted in another window
    if (!sent.ok) throw new Error(answer.error);
  } catch (error) {
    tell(error instanceof TypeError ? "The program does not answer. Start it again, and open its new address." : error.message);
    if (trial) setBusy(false);
    return false;
  }
  tell("");
  await show(answer);
  return true;
}

async function show({ done, total, trial: next }) {
  trial = next;
  element("start").hidden = true;
  element("bar").max = total;
  element("bar").value = done;
  element("count").textContent = `${done} of ${total}`;
  element("trial").hidden = !trial;
  element("end").hidden = Boolean(trial);
  if (!trial) return;
  element("prompt").textContent = trial.prompt ?? "";
  element("prompt").hidden = !trial.prompt;
  const sources = trial.sources.map((address, n) => figure(address, trial.sources.length > 1 ? `Source ${n + 1}` : "Source"));
  const edits = trial.edits.map((address, n) => figure(address, trial.edits.length > 1 ? "AB"[n] : "Edit"));
  element("pictures").replaceChildren(...sources, ...edits);
  try {
    await Promise.all([...element("pictures").querySelectorAll("img")].map((image) => image.decode()));
  } catch {
    return tell("An image could not be shown. Reload the page.");
  }
  setBusy(false); // no vote on what was not seen
}

function vote(answer) {
  if (!busy && trial) ask("vote", { rater, trial: trial.token, answer });
}

element("start").addEventListener("submit", (event) => {
  event.preventDefault();
  rater = element("rater").value.trim();
  ask("next", { rater });
});
for (const button of buttons) button.addEventListener("click", () => vote(button.dataset.answer));
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || !trial) return;
  const chosen = buttons.find((button) => button.dataset.answer[0].toLowerCase() === event.key.toLowerCase());
  if (chosen) vote(chosen.dataset.answer);
});
})();
