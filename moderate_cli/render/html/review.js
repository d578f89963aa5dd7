"use strict";
const byId = (id) => document.getElementById(id);
const GONE = "no preview: the file is not here, has changed, or is in a format that no browser shows";
const name = sessionStorage.page || Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
sessionStorage.page = name;

let items = [];
let stages = new Map();
let note = "";
let asked = null;
let isBusy = false;
let isOver = false;
let isShown = null;

function element(kind, text, ...classes) {
  const made = document.createElement(kind);
  made.textContent = text;
  made.classList.add(...classes.filter(Boolean));
  return made;
}

async function ask(action, more = {}) {
  if (isBusy || isOver) return;
  isBusy = true;
  try {
    const response = await fetch(action, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ page: name, ...more }),
    });
    if (!response.ok) throw new Error(await response.text());
    show(await response.json());
    if (action === "finish") end("The review is over", "What was decided is in the store. This page can be closed.");
  } catch (error) {
    say(error instanceof TypeError ? "the review has ended, or this machine is busy: see the terminal" : error.message);
  } finally {
    isBusy = false;
  }
}

function say(text) {
  byId("message").textContent = text;
  byId("message").hidden = !text;
}

function end(title, text) {
  isOver = true;
  byId("item").hidden = true;
  byId("done").hidden = false;
  byId("again").hidden = true;
  byId("done-title").textContent = title;
  byId("done-text").textContent = text;
  for (const button of document.querySelectorAll(".keys button")) button.disabled = true;
  byId("done").focus();
}

function image(address, alt, missing, isLazy = false) {
  const made = new Image();
  made.alt = alt;
  if (isLazy) made.loading = "lazy";
  made.addEventListener("error", () => made.replaceWith(element("p", missing)));
  made.src = address;
  return made;
}

// What there is to see of a result, made with its pictures while the one before it is looked at.
function stage(item) {
  const { id, parts, frames } = item.facts;
  if (!stages.has(id)) {
    const made = element("div", "", parts.length ? "post" : "single");
    if (parts.length) {
      made.append(...parts.map((each) => part(id, each)));
    } else {
      const large = element("div", "", "large");
      large.append(item.picture ? image(`picture/${id}`, "The image to decide about", GONE) : element("p", "no preview"));
      made.append(large);
      if (frames.length) made.append(strip(id, frames, large));
    }
    stages.set(id, made);
  }
  return stages.get(id);
}

function part(id, { name, text, depth, pictures, findings, answer }) {
  const made = element("section", "");
  made.style.setProperty("--depth", depth);
  made.append(element("p", name, "name"));
  if (text) made.append(element("p", text, "text"));
  if (pictures.length) {
    const row = element("div", "", "pictures");
    row.append(...pictures.map((each) => postPicture(id, each)));
    made.append(row);
  }
  if (findings.length) {
    const found = element("ul", "", "findings");
    found.append(...findings.map(finding));
    made.append(found);
  }
  if (answer) made.append(element("p", answer, "quiet"));
  return made;
}

function postPicture(id, { number, name, link }) {
  if (link) {
    const made = element("a", name, "named");
    return Object.assign(made, { href: link, target: "_blank", rel: "noopener noreferrer" });
  }
  if (number === null) return element("span", name, "named");
  return enlarging(name, image(`picture/${id}/${number}`, name, `${name}: ${GONE}`), () => {});
}

function enlarging(name, picture, then) {
  const made = element("button", "");
  Object.assign(made, { type: "button", ariaPressed: "false", title: `Enlarge ${name}` });
  made.append(picture);
  made.addEventListener("click", () => {
    const isLarge = made.ariaPressed !== "true";
    for (const other of made.closest(".pictures").querySelectorAll("[aria-pressed=true]")) other.ariaPressed = "false";
    made.ariaPressed = String(isLarge);
    then(isLarge);
  });
  return made;
}

// The frames of an animation; one that is enlarged takes the place of what is shown above them.
function strip(id, frames, large) {
  let whole = null;
  const show = (address, name, isLarge) => {
    whole ??= [...large.childNodes];
    large.replaceChildren(...(isLarge ? [image(address, name, GONE)] : whole));
  };
  const made = element("ol", "", "frames", "pictures");
  Object.assign(made, { tabIndex: 0, ariaLabel: "Frames" });
  made.append(...frames.map(({ name, level, seconds, number, findings }) => {
    const line = document.createElement("li");
    if (number !== null) {
      const address = `picture/${id}/${number}`;
      line.append(enlarging(name, image(address, name, GONE, true), (isLarge) => show(address, name, isLarge)));
    }
    line.append(element("span", level, "level", level), ` ${name}`);
    if (seconds !== null) line.append(element("span", `at ${seconds.toFixed(2)} s`, "quiet"));
    line.append(...findings.map((each) => element("code", `${each.label} ${each.confidence}`)));
    return line;
  }));
  return made;
}

function finding(found) {
  const line = document.createElement("li");
  line.append(element("span", found.level, "level", found.level), " ", element("code", found.label));
  const more = [found.confidence, found.meaning, found.where].filter(Boolean).join(" · ");
  if (more) line.append(" ", more);
  return line;
}

function list(id, children) {
  byId(id).replaceChildren(...children);
  byId(id).hidden = !children.length;
}

function blur() {
  const item = items[0];
  const isHigh = item && item.facts.level === "high";
  const shown = isShown === null ? !(isHigh && byId("blur").checked) : isShown;
  byId("picture").classList.toggle("blurred", !shown);
  byId("picture").classList.toggle("gray", byId("gray").checked);
  return shown;
}

function show(state) {
  const before = items[0] && items[0].facts.id;
  items = state.items;
  const now = state.progress;
  byId("progress").textContent = `${now.decided} decided · ${now.left.toLocaleString("en")}${now.at_least ? " or more" : ""} left · ${now.per_minute} a minute`;
  say(state.note);
  const wanted = new Set(items.map((item) => item.facts.id));
  for (const id of stages.keys()) if (!wanted.has(id)) stages.delete(id);
  for (const item of items) stage(item);
  const item = items[0];
  byId("item").hidden = !item;
  byId("done").hidden = Boolean(item);
  for (const button of document.querySelectorAll(".keys [data-action=decide], .keys [data-action=skip], .keys [data-action=note]")) button.disabled = !item;
  if (!item) {
    byId("done-title").textContent = "Nothing is left to decide";
    byId("done-text").textContent = "What you skipped, or what others have before them, may come again.";
    byId("done").focus();
    document.title = "Review: done";
    return;
  }
  if (item.facts.id === before) return;
  note = "";
  isShown = null;
  const facts = item.facts;
  document.title = `Review: ${facts.source}`;
  byId("level").textContent = facts.level;
  byId("level").className = `level ${facts.level}`;
  byId("source").textContent = facts.source;
  byId("picture").replaceChildren(stage(item));
  const link = facts.link ? element("a", "Open the image at its address") : null;
  if (link) Object.assign(link, { href: facts.link, target: "_blank", rel: "noopener noreferrer" });
  byId("link").replaceChildren(...(link ? [link] : []));
  list("findings", facts.findings.map(finding));
  list("remarks", facts.remarks.map((text) => element("li", text)));
  list("facts", facts.facts.flatMap(([key, text]) => [element("dt", key), element("dd", text)]));
  blur();
  byId("item").focus({ preventScroll: true });
}

function open(word) {
  asked = word;
  const isSuppression = word === "suppressed";
  byId("ask-title").textContent = isSuppression ? "Suppress its findings" : "Add a note";
  byId("expires-label").hidden = !isSuppression;
  byId("note").required = isSuppression;
  byId("note").value = note;
  byId("expires").value = "";
  byId("ask").showModal();
  byId("note").focus();
}

function act(action, word) {
  if (isOver) return;
  const item = items[0];
  if (action === "undo" || action === "finish") ask(action);
  else if (!item) return;
  else if (action === "skip") ask("skip", { id: item.facts.id });
  else if (action === "view") { isShown = !blur(); blur(); }
  else if (action === "note" || word === "suppressed") open(word);
  else ask("decide", { id: item.facts.id, word, note });
}

byId("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("ask").close();
  note = byId("note").value;
  if (asked === "suppressed" && items[0]) ask("decide", { id: items[0].facts.id, word: asked, note, expires: byId("expires").value });
  else if (note) say(`note: ${note}`);
});
byId("cancel").addEventListener("click", () => byId("ask").close());
byId("again").addEventListener("click", () => ask("items"));
byId("blur").addEventListener("change", () => { isShown = null; blur(); });
byId("gray").addEventListener("change", blur);
for (const button of document.querySelectorAll(".keys button")) {
  button.addEventListener("click", () => act(button.dataset.action, button.dataset.word));
}
document.addEventListener("keydown", (event) => {
  const isTyped = byId("ask").open || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !byId("keys").checked;
  if (isTyped) return;
  if (event.key === "r" && !byId("done").hidden) { ask("items"); return; }
  const button = Array.from(document.querySelectorAll(".keys button")).find((each) => each.dataset.key === event.key.toLowerCase());
  if (button && !button.disabled) {
    event.preventDefault();
    act(button.dataset.action, button.dataset.word);
  }
});
setInterval(() => { if (!byId("ask").open && !document.hidden) ask("items"); }, 60000);
ask("items");
