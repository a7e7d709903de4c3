// The form for a new client: who looks alike is asked while one types, and shown below.

const PAUSE_MS = 250;
const ASKED = new Set(["name", "city", "phones", "tax_number", "site", "email"]);

const form = document.querySelector("form[data-alike]");
const place = document.getElementById("alike");
let timer = null;
let asking = null;

form?.addEventListener("input", (event) => {
  if (!ASKED.has(event.target.name)) return;
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE_MS);
});

async function ask() {
  asking?.abort();
  asking = new AbortController();
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (ASKED.has(name) && value) query.set(name, value);
  try {
    const answer = await fetch(`${form.dataset.alike}?${query}`, { signal: asking.signal });
    if (answer.ok) place.innerHTML = await answer.text(); // our own page's part, escaped where it was written
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}
