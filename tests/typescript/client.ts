// A client as its author would write it: the types are made from the service's own document, the
// bodies stand in the README (readme.ts is made from it).
import type { paths } from "./api.js";
import { config, email } from "./readme.js";

type Json<Response> = Response extends { content: { "application/json": infer Body } } ? Body : never;
type Created = Json<paths["/api/smtp-configs"]["post"]["responses"][201]>;
type Accepted = Json<paths["/api/emails"]["post"]["responses"][201]>;
type Email = Json<paths["/api/emails/{email_id}"]["get"]["responses"][200]>;

declare const process: { argv: string[] };

const url = process.argv[2] ?? "http://127.0.0.1:5000";

async function call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(url + path, { method, headers, ...sent });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

const { config_id } = await call<Created>("POST", "/api/smtp-configs", config);
const { email_id } = await call<Accepted>("POST", "/api/emails", {
  ...email,
  smtp_config_id: config_id,
});
const stored = await call<Email>("GET", `/api/emails/${email_id}`);
console.log(JSON.stringify({ email_id, subject: stored.subject, created_at: stored.created_at }));
