// ReDoc, below the bar at the top. It asks this service only: the address is relative to the page.
"use strict";

Redoc.init(
  "openapi.json",
  {
    hideDownloadButton: true,
    nativeScrollbars: true,
    scrollYOffset: ".top",
    theme: {
      colors: { primary: { main: "#0b5d4b" } },
      sidebar: { backgroundColor: "#f4f7f6" },
      rightPanel: { backgroundColor: "#12241f" },
      typography: {
        fontFamily: "system-ui, sans-serif",
        headings: { fontFamily: "system-ui, sans-serif" },
        code: { fontFamily: "ui-monospace, monospace" },
      },
    },
  },
  document.getElementById("manual"),
);
