// Opens the card that a link names, chooses the box of a graph that one names, and opens all for printing.
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
