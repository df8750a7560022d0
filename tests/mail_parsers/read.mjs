// Reads the message in the file that is named, and prints what it found as JSON.
import { readFileSync } from "node:fs";
import PostalMime from "postal-mime";

const mail = await new PostalMime({ forceRfc822Attachments: true }).parse(
  readFileSync(process.argv[2]),
);
const base64 = (content) =>
  Buffer.from(typeof content === "string" ? content : new Uint8Array(content)).toString("base64");

console.log(
  JSON.stringify({
    subject: mail.subject,
    from: mail.from ?? null,
    to: mail.to ?? [],
    cc: mail.cc ?? [],
    reply_to: mail.replyTo ?? [],
    message_id: mail.messageId ?? null,
    in_reply_to: mail.inReplyTo ?? null,
    references: mail.references ?? null,
    headers: Object.fromEntries(mail.headers.map(({ key, value }) => [key, value])),
    text: mail.text ?? null,
    html: mail.html ?? null,
    attachments: mail.attachments.map((part) => ({
      filename: part.filename,
      content_type: part.mimeType,
      disposition: part.disposition,
      content_id: part.contentId ?? null,
      method: part.method ?? null,
      content: base64(part.content),
    })),
  }),
);
