
"use strict";
const byId = (id) => document.getElementById(id);
const gallery = byId("gallery");
const viewer = byId("viewer");
const enlarged = byId("enlarged");
const CHOICES = ["words", "level", "label", "sort", "blur"];
const BATCH = Number(gallery.dataset.batch);
const ROW = 20; // rem: the height of a row of cards, until it is known
const collator = new Intl.Collator("en", { numeric: true });

// What each card is found by. The cards themselves are text, batch by batch, until somebody comes near.
const sources = Array.from(gallery.querySelectorAll("noscript"));
const items = JSON.parse(byId("index").textContent).map((item, order) => ({
  ...item,
  order,
  name: item.words.split("\n", 1)[0],
  first: item.labels[0] ?? "",
}));
const sorts = {
  "": (a, b) => a.order - b.order,
  newest: (a, b) => b.at - a.at || a.order - b.order,
  name: (a, b) => collator.compare(a.name, b.name) || a.order - b.order,
  label: (a, b) => !a.first - !b.first || collator.compare(a.first, b.first) || a.order - b.order,
  confidence: (a, b) => b.confidence - a.confidence || a.order - b.order,
};
let ordered = items;
let sorted = "";
let shown = items;
let batches = [];
let open = null;

const texts = [];
const template = document.createElement("template");
function cardOf(item) {
  if (!item.card) {
    const number = Math.floor(item.order / BATCH);
    texts[number] ??= sources[number].textContent.trim().split(/(?=<article )/);
    template.innerHTML = texts[number][item.order % BATCH];
    item.card = template.content.firstElementChild;
  }
  return item.card;
}

function fill(batch) {
  if (batch && !batch.isFull) {
    batch.isFull = true;
    batch.element.style.minHeight = "";
    batch.element.append(...batch.items.map(cardOf));
    near.unobserve(batch.element);
  }
}
const near = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && fill(batches.find((each) => each.element === entry.target))),
  { rootMargin: "1200px" },
);

const columns = () => getComputedStyle(gallery.firstElementChild ?? gallery).gridTemplateColumns.split(" ").length;

function lay() {
  near.disconnect();
  batches = [];
  gallery.replaceChildren();
  for (let start = 0; start < shown.length; start += BATCH) {
    const element = document.createElement("div");
    element.className = "batch";
    gallery.append(element);
    batches.push({ element, items: shown.slice(start, start + BATCH), isFull: false });
  }
  const wide = columns();
  for (const batch of batches) {
    const height = `${ROW * Math.ceil(batch.items.length / wide)}rem`;
    batch.element.style.minHeight = height;
    batch.element.style.containIntrinsicSize = `auto ${height}`;
    near.observe(batch.element);
  }
  fill(batches[0]);
}

function update() {
  const words = byId("words").value.trim().toLowerCase();
  const [level, label, sort] = ["level", "label", "sort"].map((id) => byId(id).value);
  if (sort !== sorted) {
    ordered = [...items].sort(sorts[sort]);
    sorted = sort;
  }
  shown = ordered.filter(
    (each) => (!level || each.level === level) && (!label || each.labels.includes(label)) && each.words.includes(words),
  );
  lay();
  byId("shown").textContent = shown.length.toLocaleString("en");
  for (const button of document.querySelectorAll(".charts button")) {
    const { level: ofLevel, label: ofLabel } = button.dataset;
    button.setAttribute("aria-pressed", String(ofLabel === undefined ? ofLevel === level : ofLabel === label));
  }
  document.documentElement.dataset.blur = byId("blur").value || "strong";
  document.documentElement.toggleAttribute("data-gray", byId("gray").checked);
}

// The address after the # holds what is chosen, so that a link shows the same.
function remember() {
  const chosen = new URLSearchParams();
  for (const id of CHOICES) {
    if (byId(id).value) {
      chosen.set(id, byId(id).value);
    }
  }
  if (byId("gray").checked) {
    chosen.set("gray", "1");
  }
  if (open) {
    chosen.set("item", open.order + 1);
  }
  history.replaceState(null, "", `#${chosen}`);
}

function recall() {
  const chosen = new URLSearchParams(location.hash.slice(1));
  for (const id of CHOICES) {
    byId(id).value = chosen.get(id) ?? "";
    if (byId(id).selectedIndex === -1) {
      byId(id).value = "";
    }
  }
  byId("gray").checked = chosen.has("gray");
  update();
  const item = items[Number(chosen.get("item")) - 1];
  if (item) {
    enlarge(item);
  } else if (viewer.open) {
    viewer.close();
  }
}

function change() {
  update();
  remember();
}

function choose(id, value) {
  byId(id).value = byId(id).value === value ? "" : value;
  change();
}

function enlarge(item) {
  open = item;
  const card = cardOf(item);
  enlarged.replaceChildren(...card.cloneNode(true).childNodes);
  const isFlagged = card.classList.contains("flagged") && enlarged.querySelector("img");
  enlarged.classList.toggle("flagged", Boolean(isFlagged));
  for (const details of enlarged.querySelectorAll("details")) {
    details.open = true;
  }
  for (const strip of enlarged.querySelectorAll(".post, .frames")) {
    strip.removeAttribute("tabindex"); // they do not scroll here
  }
  const picture = enlarged.querySelector("button.picture");
  if (picture) {
    const plain = document.createElement("div");
    plain.className = picture.className;
    plain.append(...picture.childNodes);
    picture.replaceWith(plain);
  }
  byId("show").hidden = !isFlagged;
  reveal(false);
  byId("place").textContent = `${(shown.indexOf(item) + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
  if (!viewer.open) {
    viewer.showModal();
  }
  viewer.scrollTop = 0;
  remember();
}

function reveal(isRevealed) {
  enlarged.classList.toggle("revealed", isRevealed);
  byId("show").setAttribute("aria-pressed", String(isRevealed));
}
const toggle = () => reveal(!enlarged.classList.contains("revealed"));

// The item so many places after another, or the first; none beyond the ends.
function after(item, steps) {
  return shown[item ? shown.indexOf(item) + steps : 0];
}

function turn(steps) {
  const item = after(open, steps);
  if (item) {
    enlarge(item);
  }
}

function focused() {
  const card = document.activeElement.closest(".card");
  return card && shown.find((each) => each.card === card);
}

function focusOn(item) {
  if (item) {
    fill(batches[Math.floor(shown.indexOf(item) / BATCH)]);
    item.card.querySelector("button, [tabindex], summary").focus({ preventScroll: true });
    item.card.scrollIntoView({ block: "nearest" });
  }
}

viewer.addEventListener("close", () => {
  const item = open;
  open = null;
  enlarged.replaceChildren();
  remember();
  focusOn(shown.includes(item) ? item : null);
});
byId("show").addEventListener("click", toggle);
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
byId("close").addEventListener("click", () => viewer.close());

document.addEventListener("click", (event) => {
  if (event.target.closest(".enlarged.flagged .picture")) {
    toggle(); // as the button above does
  }
  const button = event.target.closest("button");
  if (!button) {
    return;
  }
  if (button.matches(".picture")) {
    enlarge(shown.find((each) => each.card === button.closest(".card")));
  } else if (button.dataset.label !== undefined || button.dataset.level !== undefined) {
    const isInside = viewer.contains(button);
    if (isInside) {
      viewer.close();
    }
    const { label, level } = button.dataset;
    label === undefined ? choose("level", level) : choose("label", label);
    if (isInside || button.closest(".charts")) {
      byId("filters").scrollIntoView({ block: "start" });
    }
  }
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) {
    return;
  }
  const { key, target } = event;
  const isArrow = key.startsWith("Arrow");
  const here = focused();
  if (isArrow && (target.closest(".frames, .post") || (!viewer.open && !here))) {
    return; // they scroll what has the focus
  }
  if (viewer.open) {
    const steps = { j: 1, k: -1, ArrowRight: 1, ArrowLeft: -1 }[key];
    if (steps) {
      event.preventDefault();
      turn(steps);
    }
    return;
  }
  const steps = { j: 1, k: -1, ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[key];
  if (steps) {
    event.preventDefault();
    focusOn(after(here, steps));
  } else if (key === "/") {
    event.preventDefault();
    byId("words").focus();
  } else if (key === "Enter" && here && !target.closest("button, a, summary")) {
    enlarge(here);
  }
});

const filters = byId("filters");
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(change));
for (const form of [filters, byId("looks")]) {
  form.hidden = false;
  form.addEventListener("input", change);
}
addEventListener("hashchange", recall);
addEventListener("beforeprint", () => batches.forEach(fill));
recall();
