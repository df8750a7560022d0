// Sends with Mailgun's client for Node what stands on standard input; see test_dialect_clients.
import { readFileSync } from "node:fs";
import FormData from "form-data";
import Mailgun from "mailgun.js";

const asked = JSON.parse(readFileSync(0, "utf-8"));
const mailgun = new Mailgun(FormData);

function files(email, inline) {
  return (email.files ?? [])
    .filter((file) => Boolean(file.cid) === inline)
    .map((file) => ({
      filename: file.name,
      contentType: file.type,
      data: Buffer.from(file.base64, "base64"),
    }));
}

function fields(email) {
  const all = {
    from: email.from,
    to: email.to,
    cc: email.cc,
    bcc: email.bcc,
    subject: email.subject,
    text: email.text,
    html: email.html,
    attachment: files(email, false),
    inline: files(email, true),
    "h:Reply-To": email.reply_to?.join(", "),
  };
  for (const [name, value] of Object.entries(email.headers ?? {})) {
    all[`h:${name}`] = value;
  }
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined && value.length > 0),
  );
}

const outcomes = {};
for (const [name, call] of Object.entries(asked.calls)) {
  const client = mailgun.client({ username: "api", key: call.key, url: asked.url });
  try {
    const answer = await client.messages.create("example.com", fields(call.email));
    outcomes[name] = { id: answer.id };
  } catch (error) {
    outcomes[name] = {
      error: error.type, // its classes have no names
      status: error.status,
      message: error.details ?? error.message,
    };
  }
}
console.log(JSON.stringify(outcomes));
