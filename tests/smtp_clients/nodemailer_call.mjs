// Sends the email on standard input with Nodemailer; see test_smtp_client_cases.
import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";

const { port, key, email } = JSON.parse(readFileSync(0, "utf-8"));
const transport = nodemailer.createTransport({
  host: "localhost",
  port,
  requireTLS: true,
  auth: { user: "apikey", pass: key },
});
let outcome;
try {
  const { response } = await transport.sendMail({
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
      cid: file.cid,
    })),
  });
  outcome = { reply: response };
} catch (error) {
  outcome = { error: error.code, code: error.responseCode ?? null };
}
console.log(JSON.stringify(outcome));
