// Makes the graphs of a page interactive: pan, zoom, search, a panel for each layer, and the keyboard.
// Without it the page is a figure whose boxes lead to the rows of the table.
"use strict";
(function () {
  const STEP = 1.25;

  function element(tag, text, parent) {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  function activate(root) {
    const stage = root.querySelector(".stage");
    const svg = stage.querySelector("svg");
    const panel = root.querySelector(".panel");
    const search = root.querySelector("input[type=search]");
    const count = root.querySelector(".count");
    const layers = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const nodes = new Map(Array.from(svg.querySelectorAll("a.node"), (node) => [node.id, node]));
    const links = Array.from(svg.querySelectorAll("g.link"));
    const rows = Array.from(root.querySelectorAll("tbody tr"));
    const whole = svg.viewBox.baseVal;
    const full = { width: whole.width, height: whole.height };
    let view = null; // the visible part of the figure: x, y, width, height
    let chosen = null;
    let found = [];

    root.classList.add("live");
    svg.removeAttribute("width");
    svg.removeAttribute("height");

    // --- the view

    function show(x, y, width) {
      const box = stage.getBoundingClientRect();
      const min = 60;
      const max = Math.max(full.width, (full.height * box.width) / box.height) * 1.5;
      width = Math.min(Math.max(width, min), max);
      const height = (width * box.height) / box.width;
      // Keep some of the figure visible.
      x = Math.min(Math.max(x, -width * 0.8), full.width - width * 0.2);
      y = Math.min(Math.max(y, -height * 0.8), full.height - height * 0.2);
      view = { x, y, width, height };
      svg.setAttribute("viewBox", [x, y, width, height].map((v) => v.toFixed(2)).join(" "));
    }

    function zoom(factor, clientX, clientY) {
      const box = stage.getBoundingClientRect();
      const fx = clientX === undefined ? 0.5 : (clientX - box.left) / box.width;
      const fy = clientY === undefined ? 0.5 : (clientY - box.top) / box.height;
      const px = view.x + fx * view.width;
      const py = view.y + fy * view.height;
      show(view.x, view.y, view.width / factor);
      show(px - fx * view.width, py - fy * view.height, view.width);
    }

    function fitAll() {
      const box = stage.getBoundingClientRect();
      const width = Math.max(full.width, (full.height * box.width) / box.height);
      show((full.width - width) / 2, (full.height - (width * box.height) / box.width) / 2, width);
    }

    // A tall net starts at its top, at a size that can be read.
    function start() {
      const box = stage.getBoundingClientRect();
      const width = Math.min(Math.max(full.width, box.width), box.width * 1.6);
      show((full.width - width) / 2, 0, width);
    }

    function reveal(node) {
      const box = node.getBBox();
      const x = box.x + box.width / 2;
      const y = box.y + box.height / 2;
      const inside =
        box.x > view.x && box.y > view.y &&
        box.x + box.width < view.x + view.width && box.y + box.height < view.y + view.height;
      if (inside && view.width < stage.clientWidth * 2.2) return;
      const width = Math.min(view.width, stage.clientWidth * 1.4);
      const height = (width * stage.clientHeight) / stage.clientWidth;
      show(x - width / 2, y - height / 2, width);
    }

    // --- the panel

    function choose(id, move) {
      chosen = nodes.has(id) ? id : null;
      nodes.forEach((node, key) => node.classList.toggle("chosen", key === chosen));
      links.forEach((link) => {
        const ends = [link.dataset.from, link.dataset.to];
        link.classList.toggle("chosen", chosen !== null && ends.includes(chosen));
      });
      rows.forEach((row) => row.classList.toggle("chosen", row.dataset.box === chosen));
      panel.replaceChildren();
      panel.classList.toggle("open", chosen !== null);
      if (chosen === null) return;
      const close = element("button", "Close", panel);
      close.type = "button";
      close.className = "close";
      close.addEventListener("click", () => { choose(null); stage.focus(); });
      layers.filter((layer) => layer.box === chosen).forEach(describe);
      panel.scrollTop = 0;
      if (move) {
        requestAnimationFrame(() => reveal(nodes.get(chosen)));
        nodes.get(chosen).focus({ preventScroll: true });
      }
    }

    function describe(layer) {
      const section = element("section", null, panel);
      const heading = element("h3", layer.name + " ", section);
      element("small", layer.type, heading);
      if (layer.fault) element("p", layer.fault, section).className = "fault";
      const more = layer.links.length ? element("p", null, section) : null;
      layer.links.forEach(([text, address]) => {
        element("a", text, more).href = address;
        more.append(" ");
      });
      const list = element("dl", null, section);
      layer.facts.forEach(([name, value]) => {
        element("dt", name, list);
        element("dd", value, list);
      });
      if (layer.picture) {
        const figure = element("figure", null, section);
        const image = element("img", null, figure);
        image.src = layer.picture;
        image.alt = layer.caption;
        element("figcaption", layer.caption, figure);
      }
      element("pre", layer.text, section).tabIndex = 0;
    }

    // --- search

    function find() {
      const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      const hits = new Set();
      if (words.length) {
        layers.forEach((layer) => {
          const text = [layer.name, layer.type, ...layer.blobs].join(" ").toLowerCase();
          if (words.every((word) => text.includes(word))) hits.add(layer.box);
        });
      }
      found = Array.from(nodes.keys()).filter((key) => hits.has(key));
      nodes.forEach((node, key) => node.classList.toggle("found", hits.has(key)));
      root.classList.toggle("searching", words.length > 0);
      count.textContent = words.length ? found.length + " found" : "";
    }

    function next(step) {
      if (!found.length) return;
      const place = found.indexOf(chosen);
      choose(found[(place + step + found.length) % found.length], true);
      search.focus();
    }

    // --- keyboard: arrows follow the lines or go to the nearest box on that side

    const SIDES = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

    function center(node) {
      const box = node.getBBox();
      return [box.x + box.width / 2, box.y + box.height / 2];
    }

    function walk(key) {
      if (chosen === null) {
        choose(nodes.keys().next().value, true);
        return;
      }
      const [dx, dy] = SIDES[key];
      const [x, y] = center(nodes.get(chosen));
      const linked = new Set();
      links.forEach((link) => {
        if (link.dataset.from === chosen) linked.add(link.dataset.to);
        if (link.dataset.to === chosen) linked.add(link.dataset.from);
      });
      let best = null;
      let least = Infinity;
      nodes.forEach((node, id) => {
        const [nx, ny] = center(node);
        const along = (nx - x) * dx + (ny - y) * dy;
        const aside = Math.abs((nx - x) * dy) + Math.abs((ny - y) * dx);
        if (id === chosen || along < 4) return;
        const cost = (along + 2 * aside) * (linked.has(id) ? 0.3 : 1);
        if (cost < least) { least = cost; best = id; }
      });
      if (best) choose(best, true);
    }

    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = event.target === search;
      if (event.key === "Escape") {
        if (typing) { search.value = ""; find(); }
        choose(null);
        stage.focus();
      } else if (typing) {
        if (event.key !== "Enter") return;
        next(event.shiftKey ? -1 : 1);
      } else if (event.key === "/") {
        search.focus();
      } else if (event.target.closest(".panel, .table")) {
        return;
      } else if (event.key in SIDES) {
        walk(event.key);
      } else if (event.key === "+" || event.key === "=") {
        zoom(STEP);
      } else if (event.key === "-") {
        zoom(1 / STEP);
      } else if (event.key === "0") {
        fitAll();
      } else {
        return;
      }
      event.preventDefault();
    });

    // --- pointer: drag to pan, two fingers or the wheel to zoom, a click to choose

    const pointers = new Map();
    let moved = 0;

    stage.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      moved = 0;
    });
    stage.addEventListener("pointermove", (event) => {
      const last = pointers.get(event.pointerId);
      if (!last) return;
      const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
      moved += Math.abs(dx) + Math.abs(dy);
      if (pointers.size === 2) {
        const other = Array.from(pointers).find(([id]) => id !== event.pointerId)[1];
        const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
        const after = Math.hypot(event.clientX - other[0], event.clientY - other[1]);
        zoom(after / Math.max(before, 1), other[0], other[1]);
      } else if (moved > 4) {
        const scale = view.width / stage.clientWidth;
        show(view.x - dx * scale, view.y - dy * scale, view.width);
        stage.classList.add("dragged");
        if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
      }
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    ["pointerup", "pointercancel"].forEach((name) =>
      stage.addEventListener(name, (event) => {
        pointers.delete(event.pointerId);
        stage.classList.remove("dragged");
      })
    );
    stage.addEventListener("dragstart", (event) => event.preventDefault());
    stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX, event.clientY);
      },
      { passive: false }
    );
    svg.addEventListener("click", (event) => {
      const node = event.target.closest("a.node");
      event.preventDefault();
      if (moved <= 4) choose(node ? node.id : null);
    });
    svg.addEventListener("focusin", (event) => {
      const node = event.target.closest("a.node");
      if (node && node.matches(":focus-visible")) reveal(node);
    });

    root.querySelectorAll("[data-do]").forEach((button) => {
      const actions = { in: () => zoom(STEP), out: () => zoom(1 / STEP), all: fitAll, start };
      button.addEventListener("click", actions[button.dataset.do]);
    });
    search.addEventListener("input", find);
    rows.forEach((row) => {
      row.querySelector("a").addEventListener("click", (event) => {
        event.preventDefault();
        choose(row.dataset.box, true);
        stage.scrollIntoView({ block: "nearest" });
      });
    });
    new ResizeObserver(() => view && show(view.x, view.y, view.width)).observe(stage);
    start();
    const linked = decodeURIComponent(location.hash.slice(1));
    if (nodes.has(linked)) {
      choose(linked, true);
      // The browser scrolls to the box itself, which lies in the stage, once it has loaded.
      window.addEventListener("load", () => setTimeout(() => root.scrollIntoView(), 0));
    }
  }

  document.querySelectorAll(".cnnviz-graph").forEach(activate);
})();
