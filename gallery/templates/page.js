// Opens the card or selects the box of the graph that a link points to, and opens all cards for printing.
(() => {
  const open = () => {
    const place = document.getElementById(location.hash.slice(1));
    if (!place) return;
    if (place.matches("a.node")) {
      place.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
      place.closest(".cnnviz-graph").scrollIntoView();
      return;
    }
    const image = place.closest(".of");
    if (image && image.offsetParent === null) document.getElementById("only-all").checked = true;
    for (let card = place.closest("details"); card; card = card.parentElement.closest("details")) card.open = true;
    place.scrollIntoView();
  };
  addEventListener("hashchange", open);
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((card) => { card.open = true; });
  });
  open();
})();
