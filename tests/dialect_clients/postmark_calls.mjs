// Sends with Postmark's client for Node what stands on standard input; see test_dialect_clients.
import { readFileSync } from "node:fs";
import { ServerClient } from "postmark";

const asked = JSON.parse(readFileSync(0, "utf-8"));
const requestHost = new URL(asked.url).host;

function params(email) {
  return {
    From: email.from,
    To: email.to.join(","),
    Cc: email.cc?.join(","),
    Bcc: email.bcc?.join(","),
    ReplyTo: email.reply_to?.join(","),
    Subject: email.subject,
    TextBody: email.text,
    HtmlBody: email.html,
    Headers: Object.entries(email.headers ?? {}).map(([Name, Value]) => ({ Name, Value })),
    Attachments: email.files?.map((file) => ({
      Name: file.name,
      Content: file.base64,
      ContentType: file.type,
      ContentID: file.cid ? `cid:${file.cid}` : null,
    })),
  };
}

const outcomes = {};
for (const [name, call] of Object.entries(asked.calls)) {
  const client = new ServerClient(call.key, { useHttps: false, requestHost });
  try {
    const answer = await client.sendEmail(params(call.email));
    outcomes[name] = { id: answer.MessageID };
  } catch (error) {
    outcomes[name] = {
      error: error.constructor.name,
      status: error.statusCode,
      message: error.message,
    };
  }
}
console.log(JSON.stringify(outcomes));
