// The live time series: every element with data-series asks its address for [times, values] and draws them.
"use strict";
(() => {
  const EVERY = 5000, SLOWEST = 16;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  for (const place of document.querySelectorAll("[data-series]")) {
    let plot = null, data = null, factor = 1;
    // A canvas knows no custom properties: it is drawn anew when the colours change.
    const draw = () => {
      plot?.destroy();
      const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
      plot = new uPlot({
        width: place.clientWidth, height: 200, cursor: { y: false }, legend: { show: false },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
        scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 0.01)] } },
        axes: [{ ...axis, size: 34, values: (_, marks) => marks.map((mark) => new Date(mark * 1000).toISOString().slice(11, 16)) }, { ...axis, size: 56 }],
        series: [{}, { label: place.dataset.label, stroke: colour("--accent"), width: 2, points: { show: false } }],
      }, data, place);
    };
    const show = (found) => {
      data = found;
      if (plot) plot.setData(data); else draw();
    };
    document.addEventListener("series", (event) => show(event.detail));
    const ask = async () => {
      if (!document.hidden && !document.querySelector(".is-followed")) {
        try {
          const answer = await fetch(place.dataset.series, { headers: { "HX-Request": "true" }, redirect: "error" });
          if (answer.status !== 200) throw new Error(String(answer.status));
          show(await answer.json());
          factor = 1;
        } catch { factor = Math.min(SLOWEST, factor * 2); }
      }
      setTimeout(ask, EVERY * factor);
    };
    new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: 200 })).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (data) draw(); });
    ask();
  }
})();
