// Sorts the table by a column: a click on a heading, and another for the reverse order.
(() => {
  const table = document.querySelector("table.models");
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.order === undefined ? cell.textContent : Number(cell.dataset.order || NaN);
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  const sort = (column, falling) => {
    const known = (row) => !Number.isNaN(value(row, column));
    const rows = [...body.rows].sort((a, b) => {
      if (known(a) !== known(b)) return known(a) ? -1 : 1; // unknown values come last
      return known(a) ? (falling ? -1 : 1) * compare(value(a, column), value(b, column)) : 0;
    });
    body.append(...rows);
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    // Numbers are first sorted from the largest, names from the first.
    const first = head.classList.contains("n") ? "descending" : "ascending";
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sort(column, now === null ? first === "descending" : now === "ascending");
    });
  });
})();
