// A client's sheet on a page of its own.

import { Sheets } from "./sheets.js";

new Sheets().refresh();
