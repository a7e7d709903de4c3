// The recording's page: a plain <audio> element, its outline from stored peaks, and the keys.

const SPEEDS = [0.75, 1, 1.25, 1.5, 1.75, 2];
const SILENT_BELOW = 3; // of 128: room noise on a telephone line
const SHORTEST_SILENCE_S = 1.5;
const SVG = "http://www.w3.org/2000/svg";

const player = document.getElementById("player");
const sound = document.getElementById("sound");
const seek = document.getElementById("seek");
const skipSilence = document.getElementById("skip-silence");
const duration = Number(player.dataset.duration);
let silences = [];
let speed = SPEEDS.indexOf(1);

const shown = (seconds) => {
  const pair = [Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60].map((n) => String(n).padStart(2, "0")).join(":");
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${pair}` : pair;
};
const toggle = (owner, state) => owner.querySelectorAll("[data-mode]").forEach((part) => (part.hidden = part.dataset.mode !== state));

function go(seconds) {
  sound.currentTime = Math.min(duration, Math.max(0, seconds));
  show();
}

function show() {
  const now = sound.currentTime;
  seek.value = String(now);
  seek.setAttribute("aria-valuetext", shown(now));
  document.getElementById("now").textContent = shown(now);
  document.getElementById("link-time").textContent = shown(now);
  for (const clip of document.querySelectorAll("[data-played]")) clip.setAttribute("width", String((now / duration) * clip.dataset.buckets));
}

function play() {
  if (sound.paused) sound.play().catch(() => {});
  else sound.pause();
}

function setSpeed(step) {
  speed = Math.min(SPEEDS.length - 1, Math.max(0, speed + step));
  sound.playbackRate = SPEEDS[speed];
  document.getElementById("speed").textContent = SPEEDS[speed].toLocaleString(document.documentElement.lang);
}

async function copyLink() {
  const link = new URL(location.href);
  link.hash = `t=${shown(sound.currentTime)}`;
  const button = document.getElementById("copy");
  try {
    await navigator.clipboard.writeText(link.href);
  } catch {
    history.replaceState(null, "", link); // no clipboard without HTTPS: the address bar holds it
  }
  toggle(button, "copied");
  setTimeout(() => toggle(button, "ready"), 1500);
}

function outline(svg, { low, high }, channel, loudest) {
  const buckets = low.length;
  svg.setAttribute("viewBox", `0 ${-loudest - 2} ${buckets} ${2 * loudest + 4}`);
  let path = "";
  for (let i = 0; i < buckets; i += 1) path += `M${i} ${-high[i] - 0.5}h.7V${-low[i] + 0.5}h-.7z`;
  const part = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    svg.append(element);
    return element;
  };
  part("path", { d: `M0 0H${buckets}`, class: "axis" });
  part("path", { d: path, class: "wave" });
  const clip = part("clipPath", { id: `played-${channel}` });
  const rect = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ x: 0, y: -130, width: 0, height: 260 })) rect.setAttribute(key, value);
  rect.dataset.played = "";
  rect.dataset.buckets = String(buckets);
  clip.append(rect);
  part("path", { d: path, class: "played", "clip-path": `url(#played-${channel})` });
}

function findSilences(channels) {
  const buckets = channels[0].low.length;
  const each = duration / buckets;
  const found = [];
  let start = null;
  for (let i = 0; i <= buckets; i += 1) {
    const quiet = i < buckets && channels.every(({ low, high }) => high[i] < SILENT_BELOW && low[i] > -SILENT_BELOW);
    if (quiet) start ??= i;
    else if (start !== null) {
      if ((i - start) * each >= SHORTEST_SILENCE_S) found.push([start * each, i * each]);
      start = null;
    }
  }
  return found;
}

sound.addEventListener("timeupdate", () => {
  if (skipSilence.checked && !sound.paused) {
    const silence = silences.find(([from, to]) => sound.currentTime >= from + 0.3 && sound.currentTime < to - 0.3);
    if (silence) sound.currentTime = silence[1] - 0.2;
  }
  show();
});
sound.addEventListener("play", () => toggle(document.getElementById("play"), "playing"));
sound.addEventListener("pause", () => toggle(document.getElementById("play"), "paused"));
sound.addEventListener("error", () => (document.getElementById("unplayable").hidden = false));
seek.addEventListener("input", () => go(Number(seek.value)));
document.getElementById("play").addEventListener("click", play);
document.getElementById("copy").addEventListener("click", copyLink);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-skip], [data-speed]");
  if (button?.dataset.skip) go(sound.currentTime + Number(button.dataset.skip));
  else if (button) setSpeed(Number(button.dataset.speed));
});

const keys = {
  Space: play,
  KeyK: () => sound.pause(),
  KeyJ: () => go(sound.currentTime - 10),
  KeyL: () => go(sound.currentTime + 10),
  ArrowLeft: () => go(sound.currentTime - 5),
  ArrowRight: () => go(sound.currentTime + 5),
  Home: () => go(0),
  End: () => go(duration),
  KeyS: () => skipSilence.click(),
  KeyM: copyLink,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("textarea, select, input:not([type=checkbox]):not([type=range])")) return;
  if (event.code === "Space" && event.target.matches("button, a, input[type=checkbox]")) return;
  let action = event.shiftKey ? null : keys[event.code];
  if (event.key === "<" || (event.shiftKey && event.code === "Comma")) action = () => setSpeed(-1);
  if (event.key === ">" || (event.shiftKey && event.code === "Period")) action = () => setSpeed(1);
  if (!action) return;
  event.preventDefault();
  action();
});

const asked = /^#t=(?:(\d+):)?(\d+):(\d{2})$/.exec(location.hash);
if (asked) go(Number(asked[1] ?? 0) * 3600 + Number(asked[2]) * 60 + Number(asked[3]));

const answer = await fetch(player.dataset.peaks, { headers: { Accept: "application/json" } });
if (answer.ok) {
  const { channels } = await answer.json();
  // One scale for both sides, so that a quiet client looks quiet; a recording without any sound is not blown up.
  const loudest = Math.max(24, ...channels.flatMap(({ low, high }) => [...high, ...low.map((each) => -each)]));
  document.querySelectorAll("[data-channel]").forEach((svg, channel) => channels[channel] && outline(svg, channels[channel], channel, loudest));
  silences = channels.length ? findSilences(channels) : [];
  show();
}
