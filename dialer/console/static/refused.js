// A form that was refused comes again with what was typed into it, and what is wrong stands above it.

const { action, typed, now } = JSON.parse(document.getElementById("typed").textContent);
const notice = document.getElementById("refused");

const values = new Map();
for (const [name, value] of typed) values.set(name, [...(values.get(name) ?? []), value]);

const fieldsOf = (form) => [...form.elements].filter((field) => field.name && field.name !== "csrf" && !field.matches("button, fieldset"));
const isSame = (form) =>
  form.method === "post" &&
  new URL(form.getAttribute("action") ?? "", location).pathname === action &&
  fieldsOf(form).every((field) => field.type !== "hidden" || isVersion(field) || values.get(field.name)?.includes(field.value));
// The page has the present version: whoever saves again has been told.
const isVersion = (field) => field.name === "version" || field.name.endsWith(".version");
const inCommon = (form) => fieldsOf(form).filter((field) => values.has(field.name)).length;

function fill(field) {
  if (["hidden", "file", "password"].includes(field.type)) return;
  const given = values.get(field.name) ?? [];
  if (field.type === "checkbox" || field.type === "radio") {
    field.checked = given.includes(field.value);
    return;
  }
  const value = given.shift();
  if (value === undefined) return;
  const before = field.value;
  const shown = field.selectedOptions?.[0]?.text ?? before;
  if (!field.options || [...field.options].some((option) => option.value === value)) field.value = value;
  if (now && before !== value) {
    field.after(Object.assign(document.createElement("small"), { className: "warning", textContent: now.replace("{value}", shown) }));
  }
}

const form = [...document.forms].filter(isSame).sort((one, other) => inCommon(other) - inCommon(one))[0];
if (form && typed.length) {
  fieldsOf(form).forEach(fill);
  form.closest("details")?.setAttribute("open", "");
  form.before(notice);
  fieldsOf(form).find((field) => field.type !== "hidden" && !field.disabled)?.focus({ preventScroll: true });
}
notice.scrollIntoView({ block: "center" });
