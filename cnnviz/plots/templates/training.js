// A read-out along the x axis, and buttons that hide curves. Without scripts the page shows everything.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const axes = data.axes;
  const svg = document.querySelector('svg.chart');
  const box = document.getElementById('readout');
  const visible = data.series.map(() => true);
  const stops = [...new Set(data.series.flatMap(s => s.x).filter(x => x !== null))].sort((a, b) => a - b);
  const rowLimit = 14;
  let at = -1;

  const cursor = document.createElementNS('http://www.w3.org/2000/svg', 'line');
  cursor.id = 'cursor';
  cursor.setAttribute('y1', axes.top);
  cursor.setAttribute('y2', axes.bottom);
  cursor.classList.add('off');
  svg.append(cursor);
  svg.tabIndex = 0;

  const text = (value, digits = 7) => value.toLocaleString('en', {maximumSignificantDigits: digits});
  const place = x => data.x.unit === 1 ? text(x) : text(x / data.x.unit, 4);

  // The last of equally near points wins: after a restart it is the one that counts.
  function nearest(list, x) {
    let best = -1, gap = Infinity;
    list.forEach((value, i) => {
      const distance = value === null ? Infinity : Math.abs(value - x);
      if (distance < Infinity && distance <= gap) { gap = distance; best = i; }
    });
    return best;
  }

  function row(series, x) {
    const i = nearest(series.x, x);
    if (i < 0) return null;
    const value = series.y[i] === null ? 'not a number' : text(series.y[i]);
    const where = series.x[i] === x ? '' : ` (at ${place(series.x[i])})`;
    const line = document.createElement('div');
    const swatch = document.createElement('i');
    swatch.style.background = `var(--series${series.color})`;
    line.append(swatch, `${series.name}: ${value}${where}`);
    return line;
  }

  function point(index) {
    at = Math.max(0, Math.min(stops.length - 1, index));
    const x = stops[at];
    const px = axes.left + (x - axes.x[0]) / (axes.x[1] - axes.x[0]) * (axes.right - axes.left);
    cursor.setAttribute('x1', px);
    cursor.setAttribute('x2', px);
    cursor.classList.remove('off');
    const rows = data.series.filter((_, k) => visible[k]).map(s => row(s, x)).filter(Boolean);
    box.replaceChildren(`${data.x.name} ${place(x)}`, ...rows.slice(0, rowLimit));
    if (rows.length > rowLimit) box.append(`and ${rows.length - rowLimit} more`);
    box.hidden = false;
    const frame = svg.getBoundingClientRect();
    const scale = frame.width / svg.viewBox.baseVal.width;
    const right = px * scale + 12;
    const fits = right + box.offsetWidth <= frame.width;
    box.style.left = `${Math.max(0, fits ? right : px * scale - box.offsetWidth - 12)}px`;
    box.style.top = `${axes.top * scale}px`;
  }

  function hide() {
    box.hidden = true;
    cursor.classList.add('off');
  }

  svg.addEventListener('pointermove', event => {
    const frame = svg.getBoundingClientRect();
    const px = (event.clientX - frame.left) * svg.viewBox.baseVal.width / frame.width;
    if (px < axes.left - 8 || px > axes.right + 8) return hide();
    const share = (px - axes.left) / (axes.right - axes.left);
    point(nearest(stops, axes.x[0] + share * (axes.x[1] - axes.x[0])));
  });
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('blur', hide);
  svg.addEventListener('keydown', event => {
    const steps = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity};
    if (event.key === 'Escape') return hide();
    if (!(event.key in steps)) return;
    point(at + steps[event.key]);
    event.preventDefault();
  });

  function toggle(k) {
    visible[k] = !visible[k];
    svg.querySelectorAll(`[data-series="${k}"]`).forEach(part => part.classList.toggle('off', !visible[k]));
    document.querySelector(`button[data-series="${k}"]`).setAttribute('aria-pressed', visible[k]);
  }
  document.querySelectorAll('button[data-series]').forEach(button =>
    button.addEventListener('click', () => toggle(Number(button.dataset.series))));
})();
