// Sends each message of a list over one connection, and prints what became of each:
// node send.mjs '{"transport": {...}, "messages": [{...}]}'
import nodemailer from "nodemailer";

const { transport, messages } = JSON.parse(process.argv[2]);
const transporter = nodemailer.createTransport({ pool: true, maxConnections: 1, ...transport });
const results = [];
for (const message of messages) {
  try {
    const { response, rejected } = await transporter.sendMail(message);
    results.push({ response, rejected });
  } catch (error) {
    results.push({ response: error.response ?? String(error), code: error.code });
  }
}
transporter.close();
console.log(JSON.stringify(results));
