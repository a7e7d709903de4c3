// The operator's page: takes snapshots of the desk from the service, sends what is clicked or typed, minds the keys.
// Everything that is shown was written by the server; this script swaps regions, runs the clocks and moves the focus.

import { Outcome } from "./outcome.js";
import { Script } from "./script.js";
import { Sheets } from "./sheets.js";

const body = document.body;
const strings = JSON.parse(document.getElementById("strings").textContent);
const NEW_CARD_MS = 400; // an Enter meant for the last card must not act on the new one
const SILENT_FOR_MS = 35000; // the service speaks at least every ten seconds
const DIGIT_CODES = /^(?:Digit|Numpad)([0-9])$/;

// As the page was written, until the first snapshot: a key pressed right after a reload means what is seen.
let desk = {
  call: body.dataset.call ?? "",
  client: Number(body.dataset.client) || null,
  attempt: body.dataset.attempt || null,
};
let wantsCall = false; // Enter was pressed while the next card was on its way
let clockOffset = 0;
let cardTimer;

const region = (name) => document.querySelector(`[data-region="${name}"]`);
const isField = (element) => element?.matches?.("textarea, select, input:not([type=radio]):not([type=checkbox])") ?? false;

async function send(action, content = {}, options = {}) {
  let answer;
  try {
    answer = await fetch(`/operator/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": body.dataset.csrf },
      body: JSON.stringify(content),
      ...options,
    });
  } catch {
    return { error: strings.unreachable, away: true };
  }
  if (answer.status === 401) document.getElementById("signed-out").hidden = false;
  const said = await answer.json().catch(() => ({ error: strings.unreachable }));
  return answer.ok ? said : { error: [said.error, said.remedy].filter(Boolean).join(" "), code: said.code };
}

const sheets = new Sheets();

const outcome = new Outcome({ send, strings, sheets, isTalking: () => desk.call !== "wrap_up" });

const script = new Script();

// What the service sends

function takeSnapshot(snapshot) {
  const before = desk;
  desk = snapshot;
  clockOffset = snapshot.now - Date.now();
  body.dataset.call = snapshot.call;
  for (const [name, part] of Object.entries(snapshot.regions)) swap(name, part);
  if (snapshot.client !== before.client) {
    settle();
    document.getElementById("card-column").scrollTop = 0;
  }
  if (snapshot.spoken !== before.spoken) {
    document.getElementById("spoken").textContent = snapshot.spoken;
    document.title = `${snapshot.spoken} · ${strings.title}`;
  }
  wantsCall &&= snapshot.client !== null || document.querySelector("[data-coming]") !== null;
  showLevels(snapshot);
  tick();
  script.refresh(snapshot.client);
  if (snapshot.regions.questionnaire) sheets.refresh();
  if (snapshot.regions.outcome || snapshot.call !== before.call) outcome.refresh(snapshot.proposal);
  if (snapshot.call === "wrap_up" && before.call !== "wrap_up" && !isField(document.activeElement)) outcome.focus();
}

function settle() {
  body.dataset.newCard = "";
  clearTimeout(cardTimer);
  cardTimer = setTimeout(() => {
    delete body.dataset.newCard;
    if (wantsCall && desk.client) press(document.querySelector("[data-primary]"));
    wantsCall = wantsCall && !desk.client;
  }, NEW_CARD_MS);
}

function swap(name, part) {
  const place = region(name);
  const held = place.contains(document.activeElement) ? document.activeElement : null;
  place.innerHTML = part.html;
  place.dataset.regionKey = part.key;
  if (held === null) return;
  const again = (held.id && document.getElementById(held.id)) || place.querySelector("[data-primary]:not(:disabled)");
  again?.focus({ preventScroll: true });
}

function showLevels({ levels, silent }) {
  for (const side of ["operator", "client"]) {
    const meter = document.querySelector(`[data-meter="${side}"]`);
    if (!meter) continue;
    const level = levels?.[side] ?? -127;
    meter.firstElementChild.style.transform = `scaleX(${Math.min(1, Math.max(0, (level + 60) / 60))})`;
    meter.classList.toggle("silent", silent === side);
  }
}

function tick() {
  const now = Date.now() + clockOffset;
  for (const clock of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((now - Number(clock.dataset.since)) / 1000));
    const pair = [Math.floor(seconds / 60) % 60, seconds % 60].map((n) => String(n).padStart(2, "0")).join(":");
    clock.textContent = seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${pair}` : pair;
  }
  for (const offer of document.querySelectorAll("[data-until]")) {
    const left = Math.ceil((Number(offer.dataset.until) - now) / 1000);
    offer.hidden = left <= 0;
    offer.querySelector("[data-left]").textContent = Math.max(0, left);
  }
  for (const clock of document.querySelectorAll("[data-clock]")) {
    const form = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: clock.dataset.clock });
    const text = form.format(now);
    if (clock.textContent !== text) clock.textContent = text;
  }
}

let retries = 0;
let socket;

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/operator/live`);
  let watchdog;
  let fresh = true;
  const own = socket;
  const listen = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => own.close(), SILENT_FOR_MS);
  };
  socket.onopen = () => {
    const have = {};
    for (const place of document.querySelectorAll("[data-region]")) have[place.dataset.region] = place.dataset.regionKey;
    own.send(JSON.stringify({ have }));
    listen();
  };
  socket.onmessage = (message) => {
    listen();
    retries = 0;
    document.getElementById("lost").hidden = true;
    takeSnapshot(JSON.parse(message.data));
    if (fresh) {
      fresh = false;
      if (document.getElementById("refused")?.textContent === strings.unreachable) tell("");
      outcome.reached();
    }
  };
  socket.onclose = (event) => {
    clearTimeout(watchdog);
    if (event.code === 4401) {
      document.getElementById("lost").hidden = true;
      document.getElementById("signed-out").hidden = false;
      return;
    }
    document.getElementById("lost").hidden = false;
    const wait = Math.min(8000, 250 * 2 ** retries) * (0.75 + Math.random() / 2);
    retries += 1;
    setTimeout(connect, wait);
  };
}

window.addEventListener("offline", () => {
  document.getElementById("lost").hidden = false;
  socket.close();
});

// What the operator does

const actions = {
  ready: () => ({}),
  pause: () => ({}),
  offline: () => ({}),
  undo: (button) => ({ attempt_id: button.dataset.undo }),
  "undo-skip": (button) => ({ entry_id: Number(button.dataset.undo) }),
  "hang-up": () => ({ attempt_id: desk.attempt }),
  dial: () => ({
    client_id: desk.client,
    phone_number_id: Number(document.querySelector("input[name=phone]:checked")?.value) || null,
  }),
};

async function act(button) {
  const action = button.dataset.do;
  wantsCall = false;
  if (action === "learn" || action === "letter" || action === "deal") return openForm(action);
  if (action === "keys") return document.querySelector("dialog#keys").showModal();
  if (action === "digits") return sendTone(button.dataset.digit);
  if (!(action in actions)) return undefined;
  button.disabled = true;
  const said = await send(action, actions[action](button));
  button.disabled = false;
  return tell(said.error);
}

function openForm(name) {
  if (document.querySelector("dialog[open]")) return;
  const dialog = document.getElementById(name);
  const form = dialog.querySelector("form[data-form]");
  form.reset();
  tellIn(dialog, "");
  if (name === "deal") {
    form.elements.deal.replaceChildren(document.getElementById("deals-to-move").content.cloneNode(true));
    proposeStep(form);
  }
  dialog.showModal();
  form.querySelector(name === "deal" ? "[name=to]" : "input").focus();
}

// The next stage and the sum that is known, of the deal that is chosen.
function proposeStep(form) {
  const { stage, onward, amount } = form.elements.deal.selectedOptions[0].dataset;
  for (const option of form.elements.to.options) option.disabled = option.hidden = option.value === stage;
  form.elements.to.value = onward;
  form.elements.amount.value = amount;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-form=deal] [name=deal]")) proposeStep(event.target.form);
});

async function sendForm(form) {
  const { client, attempt } = desk;
  const fields = Object.fromEntries(new FormData(form));
  const said = await send(form.dataset.form, { client_id: client, attempt_id: attempt, fields });
  tellIn(form, said.error);
  if (!said.error) form.closest("dialog").close();
}

function tellIn(part, error) {
  const place = part.querySelector(".trouble");
  place.hidden = !error;
  place.textContent = error ?? "";
}

function tell(error) {
  document.getElementById("refused")?.remove();
  if (!error) return;
  const note = Object.assign(document.createElement("p"), { id: "refused", className: "notice bad", textContent: error });
  note.setAttribute("role", "alert");
  document.querySelector(".call-body").prepend(note);
}

let tones = Promise.resolve();

function sendTone(digit) {
  const shown = document.getElementById("tones");
  if (shown) shown.textContent += digit;
  tones = tones.then(() => send("digits", { digits: digit, attempt_id: desk.attempt })).then((said) => tell(said.error));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do], [data-phrase]");
  if (!button) return;
  if (button.dataset.phrase) outcome.phrase(button);
  else act(button);
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.form) return;
  event.preventDefault();
  if (form.dataset.form === "outcome") return void outcome.next();
  if (form.dataset.form === "skip") return void skip(form);
  return void sendForm(form);
});

async function skip(form) {
  const reason = form.elements.reason.value.trim();
  // The form names its client and goes with its card: a second Enter must not put the next client aside too.
  const client = Number(form.closest("[data-client]").dataset.client);
  if (!reason || client !== desk.client || "sent" in form.dataset) return;
  form.dataset.sent = "";
  const said = await send("skip", { client_id: client, reason });
  delete form.dataset.sent;
  tell(said.error);
}

// Keys: physical ones, so that they work in every layout

function press(element) {
  if (!element || element.disabled) return false;
  element.click();
  return true;
}

function functionKey(event) {
  if (event.code === "F1") return sheets.focus();
  if (event.code === "F3") return script.focus();
  if (event.code === "F7") {
    const skip = document.getElementById("skip");
    if (!skip) return false;
    skip.open = !skip.open;
    if (skip.open) skip.querySelector("input").focus();
    return true;
  }
  return pressKey(event.code);
}

const pressKey = (key) => press(document.querySelector(`[data-key="${key}"]`));

function enter(event) {
  const target = event.target;
  if (target.closest("dialog, form:not([data-form=outcome])") && !target.closest("[data-primary]")) return false;
  if (target.id === "note" && !event.ctrlKey) return false;
  const inOutcome = target.closest("[data-form=outcome]") || target.id === "note";
  if (target.matches("button, a, summary") && !target.matches("[data-primary], [data-save]")) return false;
  if (event.repeat) return true;
  if (sheets.holds(target) && !event.ctrlKey) {
    if (!sheets.next(target)) outcome.focus();
    return true;
  }
  if (desk.call === "wrap_up") event.ctrlKey ? outcome.save() : outcome.next();
  else if (!inOutcome && !("newCard" in body.dataset)) {
    wantsCall = document.querySelector("[data-coming]") !== null;
    if (!wantsCall) press(document.querySelector("[data-primary]"));
  }
  return true;
}

function digitKey(event) {
  const digit = DIGIT_CODES.exec(event.code)?.[1];
  const tone = digit ?? { "*": "*", "#": "#", "№": "#" }[event.key];
  if (desk.call === "talking" || desk.call === "early_media") {
    if (tone === undefined) return false;
    if (!event.repeat) sendTone(tone);
    return true;
  }
  if (digit === undefined || event.repeat) return false;
  // Who hangs up knows the outcome: the digit may come before the network has said goodbye.
  if (desk.call === "wrap_up" || desk.call === "hanging_up") return outcome.choose(digit);
  const phone = document.querySelectorAll(".phones input[type=radio]")[Number(digit) - 1];
  return press(phone);
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.altKey || event.metaKey) return;
  const dialog = document.querySelector("dialog[open]");
  let taken = false;
  if (/^F\d+$/.test(event.code)) {
    // Under a dialog only the call itself can be ended: what else a key does would happen unseen.
    if (dialog && event.code !== "F8") taken = true;
    else if (!event.repeat && !event.ctrlKey) taken = event.shiftKey ? pressKey(`Shift+${event.code}`) : functionKey(event);
  } else if (script.key(event)) taken = true;
  else if (event.code === "Enter" || event.code === "NumpadEnter") taken = enter(event);
  else if (event.code === "Escape" && isField(event.target) && !dialog) {
    event.target.blur();
    if (desk.call === "wrap_up") outcome.focus();
    taken = true;
  } else if (event.ctrlKey && !event.shiftKey && event.code === "KeyZ" && !isField(event.target)) {
    taken = press(document.querySelector("[data-until]:not([hidden]) [data-undo]"));
  } else if (!event.ctrlKey && !isField(event.target) && !dialog) {
    if (event.key === "+") taken = press(document.querySelector("[data-do=learn]"));
    else if (event.key === "?") taken = press(document.querySelector("[data-do=keys]"));
    else if (!event.shiftKey || event.key === "*" || event.key === "#" || event.key === "№") taken = digitKey(event);
  }
  if (taken) event.preventDefault();
});

outcome.refresh(null);
script.refresh(desk.client);
sheets.refresh();
if (desk.client) settle();
setInterval(tick, 1000);
tick();
connect();
