// Sends with Resend's client for Node what stands on standard input; see test_dialect_clients.
import { readFileSync } from "node:fs";
import { Resend } from "resend";

const asked = JSON.parse(readFileSync(0, "utf-8"));

function params(email) {
  return {
    from: email.from,
    to: email.to,
    cc: email.cc,
    bcc: email.bcc,
    replyTo: email.reply_to,
    subject: email.subject,
    text: email.text,
    html: email.html,
    headers: email.headers,
    attachments: email.files?.map((file) => ({
      filename: file.name,
      contentType: file.type,
      content: Buffer.from(file.base64, "base64"),
      contentId: file.cid,
    })),
  };
}

const outcomes = {};
for (const [name, call] of Object.entries(asked.calls)) {
  const client = new Resend(call.key, { baseUrl: asked.url });
  const { data, error } = await client.emails.send(
    params(call.email),
    call.once ? { idempotencyKey: call.once } : {},
  );
  outcomes[name] = error
    ? { error: error.name, status: error.statusCode, message: error.message }
    : { id: data.id };
}
console.log(JSON.stringify(outcomes));
