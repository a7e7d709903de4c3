// The office's pages: a key presses the button that shows it, unless something is being typed. What concerns everybody
// takes two presses: the first one shows where it is.

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const typing = event.target.matches("textarea, select, input:not([type=checkbox])");
  if (typing && !/^F\d+$/.test(event.code)) return;
  const button = document.querySelector(`[data-key="${event.code}"]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  if ("twice" in button.dataset && document.activeElement !== button) button.focus();
  else button.click();
});
