// Ghost's mailer, which is Nodemailer: config.production.json in the file, then one email.
import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";

const { mail } = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const transport = nodemailer.createTransport(mail.options);
await transport.sendMail({ from: mail.from, to: "ada@example.org", subject: "Ghost", text: "Hello" });
