// The phone simulator. The server holds every text; this page asks what changed and draws it.
"use strict";

const ASK_EVERY = 600;
const ASK_AGAIN_AFTER_TROUBLE = 2000;
const PAIRING_CODE = /\bpairing approve (?:sms )?([A-HJ-NP-Z2-9]{8})\b/;
const OUT_OF_REACH = "The gateway does not answer. Is it still running? Trying again…";
const FATES = {
  queued: { mark: "◷", words: "queued" },
  sent: { mark: "✓", words: "sent" },
  delivered: { mark: "✓✓", words: "delivered" },
  awaited: { mark: "◷", words: "waiting for the webhook" },
  none: { mark: "✗", words: "no answer from the webhook" },
};

const byId = (id) => document.getElementById(id);
const { messagesUrl, approveCommand } = document.body.dataset;
const texts = new Map(); // id → text
const drawn = new Map(); // id → its element on the phone that is shown
const seen = remembered("seen", {}); // number → the newest id its owner has looked at
let cursor = 0;
let shown = remembered("phone", document.querySelector(".contact").dataset.number);
let timer = 0;
let atEnd = true; // of the thread: new texts push the others up, unless somebody reads further above

// --- What this browser remembers. Without storage everything works, and is forgotten with the page.

function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`openclaw-sandbox-${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`openclaw-sandbox-${name}`, JSON.stringify(value));
  } catch {
    // private window
  }
}

// --- Asking and telling the server

async function ask() {
  if (document.hidden) return;
  try {
    const response = await fetch(`${messagesUrl}?after=${cursor}`, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(response.status);
    const changes = await response.json();
    if (changes.cursor < cursor) return location.reload();
    if (byId("trouble").textContent === OUT_OF_REACH) say("");
    take(changes.messages);
    cursor = changes.cursor;
    askAgain(ASK_EVERY);
  } catch {
    say(OUT_OF_REACH);
    askAgain(ASK_AGAIN_AFTER_TROUBLE);
  }
}

function askAgain(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(ask, milliseconds);
}

async function send(body, files) {
  const form = new FormData();
  form.append("phone", shown);
  form.append("body", body);
  for (const file of files) form.append("media", file);
  say("");
  const response = await fetch(messagesUrl, {
    method: "POST",
    headers: { "X-CSRFToken": csrfToken() },
    body: form,
  });
  const answer = await response.json().catch(() => ({ error: "This page is out of date: reload it." }));
  if (answer.error) throw new Error(answer.error);
  take([answer]);
}

// Read anew each time: logging in to the console changes it.
function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

function say(sentence) {
  byId("trouble").textContent = sentence;
  byId("trouble").hidden = !sentence;
}

// --- What the texts mean

const textsOf = (number) =>
  [...texts.values()].filter((text) => text.phone === number).sort((one, other) => one.id - other.id);
const newestReceived = (number) => textsOf(number).findLast((text) => !text.outgoing);

function codeAwaitingApproval(number) {
  return newestReceived(number)?.body.match(PAIRING_CODE)?.[1] ?? "";
}

function fateOf(text) {
  const known = FATES[text.status];
  if (known) return known;
  const taken = text.status.startsWith("2");
  return {
    mark: `${taken ? "✓" : "✗"} ${text.status}`,
    words: taken ? "taken by the webhook" : `refused by the webhook with ${text.status}`,
    refused: !taken,
  };
}

// --- Drawing

function take(changed) {
  if (!changed.length) return;
  for (const text of changed) {
    // An answer may be overtaken by a later one.
    if (texts.get(text.id)?.changed > text.changed) continue;
    texts.set(text.id, text);
    contactOf(text.phone);
    if (text.phone === shown) draw(text);
  }
  refresh();
}

function contactOf(number) {
  const known = document.querySelector(`.contact[data-number="${CSS.escape(number)}"]`);
  if (known) return known;
  const item = byId("new-phone").content.cloneNode(true);
  const contact = item.querySelector(".contact");
  Object.assign(contact.dataset, { number, name: number });
  contact.querySelector(".name").textContent = number;
  byId("phones").append(item);
  return contact;
}

function show(number) {
  shown = number;
  remember("phone", number);
  byId("texts").replaceChildren();
  drawn.clear();
  atEnd = true;
  textsOf(number).forEach(draw);
  say("");
  refresh();
}

function draw(text) {
  const item = drawn.get(text.id) ?? place(text);
  const fate = fateOf(text);
  const measure = `${text.segments} ${text.segments === 1 ? "segment" : "segments"}`;
  item.classList.toggle("refused", Boolean(fate.refused) || text.status === "none");
  item.classList.toggle("delivered", text.status === "delivered");
  drawFiles(item.querySelector(".pictures"), text.media);
  item.querySelector(".segments").textContent = `${measure} · ${text.encoding}`;
  item.querySelector(".fate").textContent = fate.mark;
  item.querySelector(".fate").setAttribute("aria-label", fate.words);
  item.querySelector(".fate").title = fate.words;
  if (atEnd || text.outgoing) scrollToEnd();
}

// Drawn anew only when something changed, so that a picture does not flicker with every tick.
function drawFiles(box, media) {
  const state = JSON.stringify(media);
  if (box.dataset.state === state) return;
  box.dataset.state = state;
  box.hidden = !media.length;
  box.replaceChildren(...media.map(fileOf));
}

function fileOf(file) {
  if (file.url && file.picture) {
    const picture = document.createElement("img");
    Object.assign(picture, { src: file.url, alt: "Picture" });
    picture.addEventListener("load", () => atEnd && scrollToEnd());
    return picture;
  }
  const link = document.createElement(file.url ? "a" : "span");
  link.className = "file";
  if (file.url) link.href = file.url;
  link.textContent = file.url ? file.name : file.elsewhere || "…";
  if (file.elsewhere) link.title = "The sandbox fetches nothing from other machines.";
  return link;
}

function scrollToEnd() {
  byId("thread").scrollTop = byId("thread").scrollHeight;
}

function place(text) {
  const item = byId("new-text").content.firstElementChild.cloneNode(true);
  const at = new Date(text.at);
  item.dataset.id = text.id;
  item.classList.add(text.outgoing ? "outgoing" : "incoming");
  item.querySelector(".bubble").textContent = text.body;
  item.querySelector(".bubble").hidden = !text.body.trim();
  item.querySelector("time").dateTime = text.at;
  item.querySelector("time").textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  item.querySelector("time").title = at.toLocaleString();
  const later = [...byId("texts").children].find((other) => Number(other.dataset.id) > text.id);
  byId("texts").insertBefore(item, later ?? null);
  drawn.set(text.id, item);
  return item;
}

function refresh() {
  const contact = contactOf(shown);
  const newest = newestReceived(shown);
  if (newest && !document.hidden) {
    seen[shown] = newest.id;
    remember("seen", seen);
  }
  document.querySelectorAll(".contact").forEach(refreshContact);
  byId("owner").textContent = `${contact.dataset.name}’s phone`;
  byId("thread").setAttribute("aria-label", `Texts on ${contact.dataset.name}’s phone`);
  byId("empty").hidden = textsOf(shown).length > 0;
  refreshHint(contact.dataset.name);
  refreshSteps();
}

function refreshContact(contact) {
  const { number } = contact.dataset;
  const latest = textsOf(number).at(-1);
  const isShown = number === shown;
  contact.toggleAttribute("aria-current", isShown);
  if (isShown) contact.setAttribute("aria-current", "true");
  if (latest) contact.querySelector(".last").textContent = `${latest.outgoing ? "You: " : ""}${latest.body.trim() || "Picture"}`;
  contact.querySelector(".dot").hidden = isShown || (newestReceived(number)?.id ?? 0) <= (seen[number] ?? 0);
}

function refreshHint(name) {
  const code = codeAwaitingApproval(shown);
  byId("hint").hidden = !code;
  document.querySelector(".hint-name").textContent = name;
  byId("command").textContent = code ? `${approveCommand} ${code}` : "";
}

function refreshSteps() {
  const answered = newestReceived(shown);
  const waits = Boolean(codeAwaitingApproval(shown));
  const now = waits ? "approve" : answered ? "reply" : "text";
  const order = ["text", "approve", "reply"];
  for (const step of document.querySelectorAll("[data-step]")) {
    const distance = order.indexOf(step.dataset.step) - order.indexOf(now);
    step.className = distance < 0 ? "done" : distance === 0 ? "now" : "";
    step.toggleAttribute("aria-current", distance === 0);
    if (distance === 0) step.setAttribute("aria-current", "step");
  }
}

function tellTime() {
  byId("clock").textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function fitBody() {
  const body = byId("body");
  body.style.height = "auto";
  body.style.height = `${body.scrollHeight}px`;
}

// --- What is attached to the next text

let attached = []; // files

function attach(files) {
  attached = [...attached, ...files].slice(0, 10);
  drawAttached();
}

function drawAttached() {
  byId("attached").querySelectorAll("img").forEach((image) => URL.revokeObjectURL(image.src));
  byId("attached").replaceChildren(...attached.map(attachedItem));
  byId("attached").hidden = !attached.length;
  byId("body").placeholder = attached.length ? "Add words, or send" : "Text message";
}

function attachedItem(file) {
  const item = byId("new-attached").content.firstElementChild.cloneNode(true);
  const picture = file.type.startsWith("image/");
  item.querySelector("img").hidden = !picture;
  if (picture) item.querySelector("img").src = URL.createObjectURL(file);
  item.querySelector(".file-name").textContent = picture ? "" : file.name;
  item.querySelector("button").setAttribute("aria-label", `Remove ${file.name}`);
  item.querySelector("button").addEventListener("click", () => {
    attached = attached.filter((other) => other !== file);
    drawAttached();
  });
  return item;
}

// --- Hands on the phone

byId("files").addEventListener("change", (event) => {
  attach(event.target.files);
  event.target.value = "";
  byId("body").focus();
});

byId("phones").addEventListener("click", (event) => {
  const contact = event.target.closest(".contact");
  if (!contact) return;
  show(contact.dataset.number);
  byId("body").focus();
});

byId("body").addEventListener("input", fitBody);
byId("body").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});

byId("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = byId("body");
  const typed = body.value;
  const files = attached;
  if (!typed.trim() && !files.length) return;
  body.value = "";
  attached = [];
  drawAttached();
  fitBody();
  try {
    await send(typed, files);
  } catch (refusal) {
    if (!body.value) body.value = typed;
    attach(files);
    fitBody();
    say(refusal instanceof TypeError ? OUT_OF_REACH : refusal.message);
  }
  body.focus();
});

byId("copy").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("command"));
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
});

byId("thread").addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = byId("thread");
  atEnd = scrollHeight - scrollTop - clientHeight < 40;
});
new ResizeObserver(() => atEnd && scrollToEnd()).observe(byId("thread"));

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return clearTimeout(timer);
  refresh();
  ask();
});

show(shown);
ask();
tellTime();
setInterval(tellTime, 5000);
