// The outcome's form: which questions belong to the chosen disposition, which is the next one, and the draft.

import { showAsked, showSigning } from "./asked.js";

const DRAFT_MS = 500;
const ECHO_MS = 150;

export class Outcome {
  constructor({ send, strings, sheets, isTalking }) {
    this.send = send;
    this.strings = strings;
    this.sheets = sheets;
    this.isTalking = isTalking;
    this.draftTimer = null;
    this.echoTimer = null;
    this.saving = false;
    this.leaving = false; // the page that comes was perhaps written before the last draft was kept
    this.away = false; // what is told is that the service could not be reached
    this.passedBy = new Set(); // optional questions that an Enter left empty
    document.addEventListener("input", (event) => this.#typed(event));
    document.addEventListener("change", (event) => this.#typed(event));
    document.addEventListener("focusin", () => this.#showKey());
    document.addEventListener("focusout", () => requestAnimationFrame(() => this.#showKey()));
    window.addEventListener("beforeunload", () => (this.leaving = true));
    window.addEventListener("pagehide", () => this.#keepDraft({ keepalive: true }));
  }

  get form() {
    return document.getElementById("outcome-form");
  }

  get chosen() {
    return this.form?.querySelector("input[name=disposition]:checked") ?? null;
  }

  /** After the server has written the form anew, or the call has moved on. */
  refresh(proposal) {
    const form = this.form;
    if (form?.dataset.attempt !== this.attempt) {
      clearTimeout(this.draftTimer);
      this.draftTimer = null;
      this.passedBy.clear();
      this.attempt = form?.dataset.attempt;
      this.personPicked = "personPicked" in (form?.dataset ?? {});
    }
    if (!form) return;
    this.#restore();
    const talking = this.isTalking();
    form.querySelector("[data-save]").hidden = talking;
    form.querySelector("[data-during-talk]").hidden = !talking;
    if (!talking && proposal && !this.chosen) form.querySelector(`input[value="${proposal}"]`)?.click();
    this.#showQuestions();
    if (form.elements.when.value) this.#echo();
  }

  /** The service answers again: what could not be kept meanwhile is kept now. */
  reached() {
    if (!this.away) return;
    this.#tell("");
    this.draftTimer ??= setTimeout(() => this.#keepDraft(), DRAFT_MS);
  }

  focus() {
    (this.chosen ?? this.form?.querySelector("input[name=disposition]"))?.focus();
  }

  /** A digit key: choose, and go to the first question. */
  choose(digit) {
    const choice = this.form?.querySelector(`input[data-digit="${digit}"]`);
    if (!choice) return false;
    choice.click();
    (this.#unanswered() ?? choice).focus();
    return true;
  }

  /** Enter: the next question without an answer, or save when there is none. */
  next() {
    if (this.isTalking() || !this.form) return;
    if (!this.chosen) {
      this.#tell(this.strings.choose);
      return void this.focus();
    }
    const here = document.activeElement;
    if (here?.form === this.form && here.name && !this.#isNeeded(here)) this.passedBy.add(here.name);
    const question = this.#unanswered();
    if (question === null) return void this.save();
    if (question === here) this.#tell(this.strings.needed);
    question.focus();
    this.#showKey();
  }

  async save() {
    const form = this.form;
    if (!form || this.saving || this.isTalking()) return;
    clearTimeout(this.draftTimer);
    this.draftTimer = null;
    this.saving = true;
    const button = form.querySelector("[data-save]");
    button.disabled = true;
    const pocket = this.#pocket;
    const said = await this.send("outcome", { attempt_id: form.dataset.attempt, fields: this.#fields() });
    this.saving = false;
    button.disabled = false;
    if (!said.error) sessionStorage.removeItem(pocket);
    this.#tell(said.error, said.away);
    if (said.code?.startsWith("sheet.")) {
      this.sheets.point(said.error); // the field that was left tells of its change, which takes the notice away
      return void this.#tell(said.error);
    }
    const field = said.code && form.elements[this.strings.fieldOfCode[said.code]];
    if (field && !field.closest("[hidden]")) {
      field.setAttribute("aria-invalid", "true");
      field.focus();
    }
  }

  /** A ready phrase: into its field, which stays editable. */
  phrase(button) {
    const field = button.closest("form").elements[button.dataset.phrase];
    field.value = button.textContent;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  }

  #fields() {
    const fields = Object.fromEntries(new FormData(this.form));
    for (const [name, text] of Object.entries(fields)) fields[name] = String(text);
    return fields;
  }

  // What the server has not confirmed yet stays in this tab: a reload asks for the page before the draft has arrived.
  get #pocket() {
    return `draft ${this.form.dataset.attempt}`;
  }

  #restore() {
    const kept = sessionStorage.getItem(this.#pocket);
    if (kept === null || this.draftTimer !== null) return;
    for (const [name, text] of Object.entries(JSON.parse(kept))) {
      const field = this.form.elements[name];
      if (field instanceof HTMLInputElement && field.type === "checkbox") field.checked = true;
      else if (field) field.value = text;
    }
    this.draftTimer = setTimeout(() => this.#keepDraft(), DRAFT_MS);
  }

  #tell(error, away = false) {
    this.away = away;
    const place = this.form?.querySelector(".trouble");
    if (!place) return;
    place.hidden = !error;
    place.textContent = error ?? "";
  }

  #typed(event) {
    const field = event.target;
    if (!this.form || field.form !== this.form) return;
    field.removeAttribute("aria-invalid");
    if (!this.away) this.#tell(""); // what was refused is being put right
    if (field.name === "person_id") this.personPicked = true;
    if (field.name === "disposition") {
      this.passedBy.clear();
      this.#proposePerson();
    }
    if (field.name === "contract_deal" && event.type === "change") this.#proposeSum(field);
    if (field.name === "disposition" || field.name === "contract_deal" || field.name === "person_id" || field.name === "person_decides") this.#showQuestions();
    if (field.name === "when") {
      clearTimeout(this.echoTimer);
      this.echoTimer = setTimeout(() => this.#echo(), ECHO_MS);
    }
    this.leaving = false;
    sessionStorage.setItem(this.#pocket, JSON.stringify(this.#fields()));
    clearTimeout(this.draftTimer);
    this.draftTimer = setTimeout(() => this.#keepDraft(), DRAFT_MS);
  }

  async #keepDraft(options) {
    if (this.draftTimer === null || !this.form) return;
    clearTimeout(this.draftTimer);
    this.draftTimer = null;
    const pocket = this.#pocket;
    const said = await this.send("draft", { attempt_id: this.form.dataset.attempt, fields: this.#fields() }, options);
    if (!said.error && this.draftTimer === null && !this.leaving) sessionStorage.removeItem(pocket);
    if (said.error) this.#tell(`${this.strings.notKept} ${said.error}`, said.away);
    else if (this.away) this.#tell("");
  }

  async #echo() {
    const form = this.form;
    const place = document.getElementById("when-echo");
    const text = form?.elements.when.value.trim();
    if (!place) return;
    if (!text) {
      place.textContent = "";
      return;
    }
    const query = new URLSearchParams({ text, attempt_id: form.dataset.attempt });
    const answer = await fetch(`/operator/when?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer || form.elements.when.value.trim() !== text) return;
    const said = await answer.json().catch(() => ({}));
    place.textContent = [said.echo ?? said.error ?? "", said.warning].filter(Boolean).join(". ");
    place.classList.toggle("danger", !answer.ok);
    place.classList.toggle("warning", Boolean(said.warning));
    place.classList.toggle("muted", answer.ok && !said.warning);
  }

  #showQuestions() {
    const form = this.form;
    const chosen = this.chosen;
    const asks = showAsked(form, chosen, this.sheets);
    for (const part of form.querySelectorAll("[data-phrases-of]")) part.hidden = part.dataset.phrasesOf !== chosen?.value;
    this.#showContract(asks.has("contract"));
    this.#showKey();
  }

  /** Where a contract is necessary, the first deal is proposed; elsewhere there is none until one is chosen. */
  #showContract(asked) {
    const deal = this.form.elements.contract_deal;
    if (!deal) return;
    const needed = asked && this.chosen.dataset.needs.split(" ").includes("contract_amount");
    if (needed && !deal.value) {
      deal.selectedIndex = 1;
      deal.dataset.proposed = "";
      this.#proposeSum(deal);
    } else if (!needed && "proposed" in deal.dataset) deal.value = "";
    if (!needed) delete deal.dataset.proposed;
    showSigning(this.form);
  }

  #proposeSum(deal) {
    this.form.elements.contract_amount.value = deal.selectedOptions[0]?.dataset.amount ?? "";
  }

  /** The key that saves stands on the button: in a field an Enter goes on to the next question, as long as there is one. */
  #showKey() {
    if (!this.form) return;
    const here = document.activeElement;
    const byEnter = !this.chosen || (here?.id !== "note" && this.#unanswered(here) === null);
    this.form.querySelector("[data-by-enter]").hidden = !byEnter;
    this.form.querySelector("[data-by-ctrl]").hidden = byEnter;
  }

  /** Where "not the main one" was talked to, or an outcome like it, another than who decides is proposed. */
  #proposePerson() {
    const person = this.form.elements.person_id;
    if (this.personPicked) return;
    const { decides } = this.chosen.dataset;
    person.value = [...person.options].find((option) => option.dataset.decides === decides)?.value ?? "";
  }

  #isNeeded(field) {
    return this.chosen?.dataset.needs.split(" ").includes(field.name) ?? false;
  }

  /** The first visible question without an answer; an optional one only until an Enter has passed it by. `leaving`: the
   * field that an Enter is about to pass by. */
  #unanswered(leaving = null) {
    for (const field of this.form.querySelectorAll(".answers input:not([type=radio]):not([type=checkbox])")) {
      if (field.closest("[hidden]") || field.value.trim()) continue;
      if (this.#isNeeded(field)) return field;
      if (field !== leaving && !("passedBy" in field.dataset) && !this.passedBy.has(field.name)) return field;
    }
    return null;
  }
}
