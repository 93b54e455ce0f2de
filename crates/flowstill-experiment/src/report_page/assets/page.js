"use strict";
// Tables are whole without this; it lets their columns be sorted.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, at) => {
    const cell = row.cells[at];
    const number = cell.dataset.value;
    return number === undefined ? { text: cell.textContent.trim() } : { number: Number(number) };
  };
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      const rows = [...body.rows];
      // What has no number stays below, whichever way is up.
      rows.sort((a, b) => {
        const x = key(a, at), y = key(b, at);
        if (x.number !== undefined && y.number !== undefined) return sign * (x.number - y.number);
        if (x.number !== undefined) return -1;
        if (y.number !== undefined) return 1;
        return sign * x.text.localeCompare(y.text, undefined, { numeric: true });
      });
      body.append(...rows);
    });
  });
}
// What an address names is opened.
const open = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", open);
open();
