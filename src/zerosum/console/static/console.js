// Keys, confirmations and what refreshes itself. Every page works without it.
"use strict";
(() => {
  const base = document.body.dataset.base;
  const isTyping = (target) => Boolean(target.closest?.("input, textarea, select, [contenteditable]"));
  const links = () => [...document.querySelectorAll(".nav a[data-key]")];

  // On a phone the menu begins folded.
  const nav = document.getElementById("nav");
  if (nav && matchMedia("(max-width: 60rem)").matches) nav.open = false;

  // Keys.
  const dialog = document.getElementById("keys");
  function showKeys() {
    const list = document.getElementById("keys-list");
    for (const link of links()) {
      if (list.querySelector(`[data-of="${link.dataset.key}"]`)) continue;
      const name = document.createElement("dt");
      name.dataset.of = link.dataset.key;
      for (const key of ["g", link.dataset.key]) {
        const sign = document.createElement("kbd");
        sign.textContent = key;
        name.append(sign, " ");
      }
      const what = document.createElement("dd");
      what.textContent = link.textContent;
      list.append(name, what);
    }
    dialog.showModal();
  }
  function row(step) {
    const all = [...document.querySelectorAll(".rows tbody tr a:first-of-type")].filter((a, i, list) => list.findIndex((b) => b.closest("tr") === a.closest("tr")) === i);
    if (!all.length) return;
    const here = all.findIndex((a) => a.closest("tr").contains(document.activeElement));
    all[Math.min(all.length - 1, Math.max(0, here + step))].focus();
  }
  let went = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || dialog.open) return;
    const isAfterG = performance.now() - went < 1500;
    went = 0;
    if (isAfterG) {
      const link = links().find((one) => one.dataset.key === event.key);
      if (link) { event.preventDefault(); link.click(); }
    } else if (event.key === "g") went = performance.now();
    else if (event.key === "?") showKeys();
    else if (event.key === "/") {
      const search = document.getElementById("search");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "j") row(1);
    else if (event.key === "k") row(-1);
    else if (event.key === "n") document.querySelector("a[rel=next]")?.click();
  });

  // What cannot be taken back is asked for twice.
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  // What refreshes itself: an element with data-every (seconds) and hx-trigger="refresh". A hidden page asks nothing,
  // and one whose service does not answer asks ever more rarely.
  const SLOWEST = 16;
  for (const element of document.querySelectorAll("[data-every]")) {
    let factor = 1;
    const every = Number(element.dataset.every) * 1000;
    const ask = () => {
      if (!document.hidden && !element.classList.contains("is-followed")) element.dispatchEvent(new CustomEvent("refresh"));
      setTimeout(ask, every * factor);
    };
    const worse = () => { factor = Math.min(SLOWEST, factor * 2); element.classList.add("is-stale"); };
    element.addEventListener("htmx:after:request", (event) => {
      const status = event.detail?.ctx?.response?.raw?.status ?? event.detail?.ctx?.response?.status ?? 0;
      if (status >= 400) worse(); else { factor = 1; element.classList.remove("is-stale"); }
    });
    element.addEventListener("htmx:error", worse);
    setTimeout(ask, every);
  }

  // What is told as it happens (data-stream): while the page is before somebody's eyes. Where there is no place for it,
  // or something on the way does not pass it on, the page goes on asking by itself and tries again after a while.
  const AGAIN = 60000, SILENT = 15000;
  for (const element of document.querySelectorAll("[data-stream]")) {
    let source = null, later = 0, silence = 0;
    // A service that hangs ends no connection: what is shown is old then, and says so.
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => { element.classList.add("is-stale"); failed(); }, SILENT);
    };
    const end = () => {
      source?.close();
      source = null;
      clearTimeout(later);
      clearTimeout(silence);
      element.classList.remove("is-followed");
    };
    const failed = () => { end(); later = setTimeout(begin, AGAIN); };
    function begin() {
      if (source || document.hidden || !window.EventSource) return;
      source = new EventSource(element.dataset.stream);
      heard();
      source.addEventListener("live", (event) => {
        heard();
        element.innerHTML = event.data;
        element.classList.add("is-followed");
        element.classList.remove("is-stale");
      });
      source.addEventListener("alive", () => {
        heard();
        element.classList.remove("is-stale");
      });
      source.addEventListener("series", (event) => {
        document.dispatchEvent(new CustomEvent("series", { detail: JSON.parse(event.data) }));
      });
      source.addEventListener("full", failed);
      source.addEventListener("error", () => {
        element.classList.remove("is-followed");
        if (source?.readyState === EventSource.CLOSED) failed();
      });
    }
    document.addEventListener("visibilitychange", () => { if (document.hidden) end(); else begin(); });
    begin();
  }
  void base;
})();
