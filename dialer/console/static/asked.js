// What a chosen outcome asks, in the form after a call and where it is corrected.

/** Show what `chosen`, an outcome's radio button or option, asks; returns it. `sheets`: the questionnaires beside it. */
export function showAsked(form, chosen, sheets) {
  const asks = new Set(chosen?.dataset.asks.split(" ").filter(Boolean));
  sheets.refresh(asks);
  for (const part of form.querySelectorAll("[data-ask]")) part.hidden = !asks.has(part.dataset.ask);
  for (const label of form.querySelectorAll("[data-ask] [data-label]")) label.textContent = chosen?.dataset[label.dataset.label] ?? "";
  const person = form.elements.person_id;
  const unknown = !person.value;
  for (const part of form.querySelectorAll("[data-new-person]")) part.hidden = !unknown;
  const decides = unknown ? form.elements.person_decides.checked : person.selectedOptions[0]?.dataset.decides === "yes";
  if (asks.has("summary") && chosen.dataset.summary !== "always") form.querySelector('[data-ask="summary"]').hidden = decides;
  showSigning(form);
  return asks;
}

/** The sum and the day of a contract where there is one, a product where its deal begins with it. */
export function showSigning(form) {
  const deal = form.elements.contract_deal;
  if (!deal) return;
  for (const part of form.querySelectorAll("[data-signing]")) part.hidden = !deal.value;
  for (const part of form.querySelectorAll("[data-new-deal]")) part.hidden = deal.value !== "new";
}
