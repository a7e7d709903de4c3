// The office's pages: a key presses the button that shows it, unless something is being typed. What concerns everybody
// takes two presses: the first one shows where it is. So does leaving what was typed and not saved.

let changed = false;

// That something was saved is read out only if it comes once the page is there; it holds until the next thing is typed.
const told = document.getElementById("told");
if (told) {
  const word = told.textContent;
  told.textContent = "";
  requestAnimationFrame(() => (told.textContent = word));
}

document.addEventListener("input", (event) => {
  told?.remove();
  if (event.target.form?.method === "post") changed = true;
});

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.isComposing || event.altKey || event.metaKey || event.shiftKey) return;
  if (event.ctrlKey) {
    if (event.code === "Enter" && event.target.matches("textarea")) event.target.form?.requestSubmit();
    return;
  }
  const typing = event.target.matches("textarea, select, input:not([type=checkbox])");
  if (typing && !/^F\d+$/.test(event.code)) return;
  const button = document.querySelector(`[data-key="${event.code}"]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  const twice = "twice" in button.dataset || (changed && button.matches("a:not([target])"));
  if (twice && document.activeElement !== button) button.focus();
  else button.click();
});
