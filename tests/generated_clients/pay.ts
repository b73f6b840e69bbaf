// Pays with a client that openapi-typescript has generated. It must compile as it stands, with `tsc --strict`.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Change = components["schemas"]["ChangeAccountRequest"];

const { BASE_URL, CLIENT_ID, CLIENT_SECRET } = process.env;

function there<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const open = createClient<paths>({ baseUrl: BASE_URL });
const token = there(
  await open.POST("/v1/oauth/token", {
    body: { grant_type: "client_credentials", client_id: CLIENT_ID, client_secret: CLIENT_SECRET },
    bodySerializer: (body) => new URLSearchParams(body as Record<string, string>),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  }),
);
const client = createClient<paths>({ baseUrl: BASE_URL, headers: { Authorization: `Bearer ${token.access_token}` } });

// Without a single member that is not meant: none is demanded for having a default.
const code = "typescript/wallet";
there(await client.POST("/v1/accounts", { body: { code, currency: "USD", type: "liability" } }));
const renamed: Change = { name: "Renamed" };
const account = there(
  await client.PATCH("/v1/accounts/{account}", { params: { path: { account: code } }, body: renamed }),
);
const pay = (type: "deposit" | "withdrawal", amount: string) =>
  client.POST("/v1/payments", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { type, amount, currency: "USD", [type === "deposit" ? "to" : "from"]: code, metadata: { from: "ts" } },
  });
const paid = there(await pay("deposit", "12.30"));
const refused = await pay("withdrawal", "12.31");
const listed = there(
  await client.GET("/v1/payments", { params: { query: { type: "deposit", limit: 1, metadata: { from: "ts" } } } }),
);
const balance = there(
  await client.GET("/v1/accounts/{account}/balance", {
    params: { path: { account: code }, query: { min_version: paid.account_versions[account.id] } },
  }),
);
console.log(
  JSON.stringify({
    name: account.name,
    floor: account.min_available,
    status: paid.status,
    refused: refused.error?.code,
    listed: listed.data.map((one) => one.amount),
    available: balance.available,
  }),
);
