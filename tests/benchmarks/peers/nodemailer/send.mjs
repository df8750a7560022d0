// Sends the same email with a file so many times, and prints the seconds that it took.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";

const [port, number, octets, connections, path] = process.argv.slice(2);
const { from, to, text, html } = JSON.parse(readFileSync(path, "utf8"));
const content = randomBytes(Number(octets));
const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port: Number(port),
  ignoreTLS: true,
  pool: true,
  maxConnections: Number(connections),
  maxMessages: Infinity,
});

let left = Number(number);
async function sendSome() {
  while (left-- > 0) {
    const attachments = [{ filename: "invoice.pdf", contentType: "application/pdf", content }];
    await transport.sendMail({ from, to, subject: `Hello ${left}`, text, html, attachments });
  }
}

const started = process.hrtime.bigint();
await Promise.all(Array.from({ length: Number(connections) }, sendSome));
console.log(Number(process.hrtime.bigint() - started) / 1e9);
transport.close();
