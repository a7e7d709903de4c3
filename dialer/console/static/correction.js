// An outcome that is corrected: asked is what the outcome that is chosen asks, as at the desk.

import { showAsked } from "./asked.js";
import { Sheets } from "./sheets.js";

const form = document.getElementById("correct-form");
const sheets = new Sheets();
const show = () => showAsked(form, form.elements.disposition.selectedOptions[0], sheets);

form.addEventListener("change", show);
show();
