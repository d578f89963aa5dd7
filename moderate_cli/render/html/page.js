
"use strict";
const byId = (id) => document.getElementById(id);
const cards = Array.from(document.querySelectorAll(".card"), (card) => ({
  card,
  level: card.dataset.level,
  labels: card.dataset.labels.split("\n"),
  words: card.dataset.words,
}));

function filter() {
  const words = byId("words").value.trim().toLowerCase();
  const level = byId("level").value;
  const label = byId("label").value;
  let shown = 0;
  for (const each of cards) {
    const fits = (!level || each.level === level) && (!label || each.labels.includes(label)) && each.words.includes(words);
    each.card.hidden = !fits;
    shown += fits;
  }
  byId("shown").textContent = shown.toLocaleString("en");
  for (const tile of document.querySelectorAll("button.tile")) {
    tile.setAttribute("aria-pressed", String(tile.dataset.label === label));
  }
}

byId("gallery").addEventListener("click", (event) => {
  const picture = event.target.closest("button.picture");
  if (picture) {
    picture.setAttribute("aria-pressed", String(picture.getAttribute("aria-pressed") !== "true"));
  }
});

for (const tile of document.querySelectorAll("button.tile")) {
  tile.addEventListener("click", () => {
    const label = byId("label");
    label.value = label.value === tile.dataset.label ? "" : tile.dataset.label;
    filter();
    byId("filters").scrollIntoView({ block: "start" });
  });
}

const filters = byId("filters");
filters.hidden = false;
filters.addEventListener("input", filter);
filters.addEventListener("reset", () => setTimeout(filter));
filters.addEventListener("submit", (event) => event.preventDefault());
filter();
