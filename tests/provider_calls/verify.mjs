// Verifies calls of providers with the providers' own libraries.
//
// Reads {"sns": [message...], "certificate": PEM, "sendgrid": [{key, body, signature, timestamp}...]}
// from standard input; prints {"sns": [true|false...], "sendgrid": [true|false...]}.
import https from "node:https";
import { createRequire } from "node:module";
import { Readable } from "node:stream";

const require = createRequire(import.meta.url);
const MessageValidator = require("sns-validator");
const { EventWebhook } = require("@sendgrid/eventwebhook");

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const asked = JSON.parse(Buffer.concat(chunks).toString("utf8"));

// no network: every certificate is the one of the tests
https.get = (_, answer) => {
  const response = Readable.from([Buffer.from(asked.certificate)]);
  response.statusCode = 200;
  answer(response);
  return { on: () => ({}) };
};

const validator = new MessageValidator();
const sns = await Promise.all(
  asked.sns.map(
    (message) => new Promise((done) => validator.validate(message, (error) => done(!error))),
  ),
);
const webhook = new EventWebhook();
const sendgrid = asked.sendgrid.map(({ key, body, signature, timestamp }) => {
  try {
    const publicKey = webhook.convertPublicKeyToECDSA(key);
    return webhook.verifySignature(publicKey, body, signature, timestamp);
  } catch {
    return false;
  }
});
console.log(JSON.stringify({ sns, sendgrid }));
