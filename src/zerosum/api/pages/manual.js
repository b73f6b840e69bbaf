// Swagger UI on the service's own OpenAPI document. Every address is made from that of this page, so that the manual
// works behind any prefix and under any name; nobody else is asked for anything.
"use strict";

const FRESH = "fresh-for-each-try";
const KEY = "Idempotency-Key";
const KEY_HINT =
  `Left as it is (\`${FRESH}\`) or empty, each try gets a new key of its own. Write one yourself to see that the ` +
  "same key with the same request gives the first answer again.";

const here = new URL(".", window.location.href);
const base = here.href.replace(/\/$/, "");

// `crypto.randomUUID` is there on HTTPS and localhost only; random values are there everywhere.
function freshKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function operations(openapi) {
  return Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}

function keyOf(operation) {
  return (operation.parameters || []).find((one) => one.name === KEY);
}

function pattern(path) {
  const escaped = path.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{[^}]+\}/g, ".+");
  return new RegExp(`^${escaped}$`);
}

// The document as this page needs it: it sends where it came from, and leaves the choice of keys to us.
function adapted(openapi) {
  openapi.servers = [{ url: base }];
  for (const scheme of Object.values(openapi.components.securitySchemes || {})) {
    for (const flow of Object.values(scheme.flows || {})) {
      flow.tokenUrl = base + new URL(flow.tokenUrl, here).pathname.replace(/^.*(?=\/v1\/)/, "");
    }
  }
  for (const { operation } of operations(openapi)) {
    const key = keyOf(operation);
    if (key) {
      key.description = `${key.description}\n\n${KEY_HINT}`;
      key.required = false;
      key.example = FRESH;
      delete key.schema.pattern; // the service says better what is wrong with a key
    }
  }
  return openapi;
}

// The keys that stand in the examples of bulk calls: sent twice, they would show old answers only.
function keysInExamples(openapi) {
  const bodies = operations(openapi).flatMap(({ operation }) => Object.values(operation.requestBody?.content || {}));
  const examples = bodies.flatMap((media) => Object.values(media.examples || {}));
  const items = examples.flatMap((example) => example.value?.items || []);
  return new Set(items.map((item) => item.idempotency_key).filter(Boolean));
}

function withFreshItems(body, known) {
  let parsed;
  try {
    parsed = JSON.parse(body);
  } catch {
    return body; // The service says what is wrong with it.
  }
  const items = Array.isArray(parsed?.items) ? parsed.items : [];
  if (!items.some((item) => known.has(item?.idempotency_key))) return body;
  for (const item of items) {
    if (known.has(item?.idempotency_key)) item.idempotency_key = freshKey();
  }
  return JSON.stringify(parsed, null, 2);
}

function interceptor(openapi) {
  const keyed = operations(openapi)
    .filter(({ operation }) => keyOf(operation))
    .map(({ path, method }) => ({ method, path: pattern(path) }));
  const inExamples = keysInExamples(openapi);
  return (request) => {
    const path = new URL(request.url, here).href.split("?")[0].slice(base.length);
    const given = Object.keys(request.headers).find((name) => name.toLowerCase() === KEY.toLowerCase());
    if (keyed.some((one) => one.method === request.method?.toUpperCase() && one.path.test(path))) {
      if (!given || ["", FRESH].includes(request.headers[given].trim())) request.headers[given || KEY] = freshKey();
    }
    if (typeof request.body === "string" && path.endsWith("/bulk")) {
      request.body = withFreshItems(request.body, inExamples);
    }
    return request;
  };
}

// Each way in wants the focus, and the last one gets it: the dialog would open at its end.
function openAuthorizeAtItsTop(page) {
  const look = () => {
    const dialog = page.querySelector(".modal-ux-content");
    if (!dialog || dialog.dataset.seen) return;
    dialog.dataset.seen = "yes";
    requestAnimationFrame(() => {
      dialog.scrollTop = 0;
      dialog.querySelector("input")?.focus({ preventScroll: true });
    });
  };
  new MutationObserver(look).observe(page, { childList: true, subtree: true });
}

async function show() {
  const answer = await fetch(new URL("openapi.json", here));
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  const openapi = adapted(await answer.json());
  const page = document.getElementById("manual");
  openAuthorizeAtItsTop(page);
  SwaggerUIBundle({
    spec: openapi,
    domNode: page,
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    persistAuthorization: false,
    validatorUrl: null, // else the document goes to a validator elsewhere
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    requestInterceptor: interceptor(openapi),
  });
}

show().catch((error) => {
  const told = document.createElement("p");
  told.className = "wait";
  told.textContent = `The manual could not be loaded (${error.message}). Load the page again.`;
  document.getElementById("manual").replaceChildren(told);
});
