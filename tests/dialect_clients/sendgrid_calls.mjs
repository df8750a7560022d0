// Sends with SendGrid's client for Node what stands on standard input; see test_dialect_clients.
import { readFileSync } from "node:fs";
import mail from "@sendgrid/mail";

const asked = JSON.parse(readFileSync(0, "utf-8"));
console.warn = () => {}; // it expects a key of its own form

function message(email) {
  return {
    from: email.from,
    to: email.to,
    cc: email.cc,
    bcc: email.bcc,
    replyTo: email.reply_to?.[0],
    subject: email.subject,
    text: email.text,
    html: email.html,
    headers: email.headers,
    attachments: email.files?.map((file) => ({
      filename: file.name,
      type: file.type,
      content: file.base64,
      ...(file.cid ? { disposition: "inline", content_id: file.cid } : {}),
    })),
  };
}

const outcomes = {};
for (const [name, call] of Object.entries(asked.calls)) {
  mail.setApiKey(call.key);
  mail.client.setDefaultRequest("baseUrl", asked.url);
  if (call.once) mail.client.setDefaultHeader("Idempotency-Key", call.once);
  try {
    const [response] = await mail.send(message(call.email));
    outcomes[name] = { id: response.headers["x-message-id"] };
  } catch (error) {
    const told = error.response?.body.errors.map((one) => one.message).join("; ") ?? error.message;
    outcomes[name] = { error: error.constructor.name, status: error.code, message: told };
  }
}
console.log(JSON.stringify(outcomes));
