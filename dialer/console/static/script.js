// The script on the card: one step at a time, an answer leads to the next. The way that was taken belongs to one client
// and survives a reload.

const KEPT = "script";

export class Script {
  #client = null;
  #way = ["0"];

  constructor() {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-script]");
      if (button) this.#go(button);
    });
  }

  // After the page has changed: another client begins at the first step.
  refresh(client) {
    if (client !== this.#client) {
      const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
      this.#way = kept !== null && kept.client === client ? kept.way : ["0"];
      this.#client = client;
    }
    this.#show();
  }

  // F3: to the first answer.
  focus() {
    const place = this.#step()?.querySelector("button") ?? this.#back();
    if (!place) return false;
    place.focus();
    return true;
  }

  // True for a key that means something here.
  key(event) {
    if (!event.target.closest?.("#script")) return false;
    if (event.code === "ArrowLeft") return this.#takeBack();
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1 }[event.code];
    if (!step) return false;
    const answers = [...this.#step().querySelectorAll("button")];
    answers.at((answers.indexOf(event.target) + step) % answers.length)?.focus();
    return true;
  }

  #go(button) {
    if (button.dataset.script === "back") return void this.#takeBack();
    this.#way.push(button.dataset.leads);
    this.#keep();
    this.focus();
  }

  #takeBack() {
    if (this.#way.length < 2) return false;
    this.#way.pop();
    this.#keep();
    return this.focus();
  }

  #keep() {
    sessionStorage.setItem(KEPT, JSON.stringify({ client: this.#client, way: this.#way }));
    this.#show();
  }

  #show() {
    const steps = document.querySelectorAll("#script .step");
    if (steps.length === 0) return;
    // The script may be another one than when the way was begun.
    if (this.#way.some((step) => !document.querySelector(`#script [data-step="${step}"]`))) this.#way = ["0"];
    for (const step of steps) step.hidden = step.dataset.step !== this.#way.at(-1);
    this.#back().hidden = this.#way.length < 2;
  }

  #step() {
    return document.querySelector(`#script [data-step="${this.#way.at(-1)}"]`);
  }

  #back() {
    return document.querySelector("#script [data-script=back]");
  }
}
