// Questionnaires on a page: which questions are asked by the answers before them, how many have one, and where to go on.

const FIELDS = "select, textarea, input";

const shown = (element) => element.closest("[hidden]") === null;
const number = (text) => (text.trim() === "" ? NaN : Number(text.replace(/\s/g, "").replace(",", ".")));

export class Sheets {
  #asks = new Set();

  constructor() {
    for (const kind of ["input", "change"]) {
      document.addEventListener(kind, (event) => {
        if (!this.holds(event.target)) return;
        event.target.removeAttribute("aria-invalid");
        this.refresh();
      });
    }
  }

  holds(element) {
    return Boolean(element?.closest?.("[data-sheet]")) && element.matches(FIELDS);
  }

  /** Show what is asked, and count the answers. `asks`: what the chosen outcome asks. */
  refresh(asks = this.#asks) {
    this.#asks = asks;
    for (const sheet of document.querySelectorAll("[data-sheet]")) {
      if (sheet.dataset.onlyWith) sheet.hidden = !asks.has(sheet.dataset.onlyWith);
      const answers = new Map();
      for (const question of sheet.querySelectorAll("[data-question]")) {
        question.hidden = !this.#isAsked(question, answers);
        if (!question.hidden) answers.set(question.dataset.question, this.#answer(question));
      }
      const given = [...answers.values()].filter((answer) => answer.length > 0).length;
      const place = sheet.querySelector("[data-counted]");
      if (place) place.textContent = `${given}/${answers.size}`;
    }
  }

  /** To the first question without an answer, else to the first one. */
  focus() {
    const questions = this.#questions();
    const wanted = questions.find((question) => this.#answer(question).length === 0) ?? questions[0];
    return this.#enter(wanted);
  }

  /** From a field to the next question; false where it was the last one. */
  next(field) {
    const questions = this.#questions();
    return this.#enter(questions[questions.indexOf(field.closest("[data-question]")) + 1]);
  }

  /** To the question that a refusal names. */
  point(refusal) {
    const questions = this.#questions();
    const named = questions.filter((question) => refusal.includes(question.dataset.label));
    const wanted = named.sort((one, other) => other.dataset.label.length - one.dataset.label.length)[0] ?? questions[0];
    wanted?.querySelector(FIELDS)?.setAttribute("aria-invalid", "true");
    this.#enter(wanted);
  }

  #questions() {
    return [...document.querySelectorAll("[data-sheet] [data-question]")].filter(shown);
  }

  #enter(question) {
    const field = question?.querySelector(FIELDS);
    if (!field) return false;
    field.focus();
    return true;
  }

  /** The codes that are chosen, or what was typed; none of an empty field. */
  #answer(question) {
    const fields = [...question.querySelectorAll(FIELDS)];
    const ticks = fields.filter((field) => field.type === "checkbox");
    if (ticks.length) return ticks.filter((field) => field.checked).map((field) => field.dataset.code);
    return fields.map((field) => field.value.trim()).filter(Boolean);
  }

  #isAsked(question, answers) {
    const { whenKey: key, whenRelation: relation, whenValue: value } = question.dataset;
    if (!key) return true;
    const given = answers.get(key) ?? [];
    if (given.length === 0) return false;
    if (relation === "has") return given.includes(value);
    const numbers = [number(given[0]), number(value)];
    const [one, other] = numbers.some(Number.isNaN) ? [given[0], value] : numbers;
    return { "=": one === other, ">": one > other, "<": one < other }[relation];
  }
}
