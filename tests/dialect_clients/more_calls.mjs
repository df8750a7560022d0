// Batches, templates and changes with the vendors' clients for Node; see test_dialect_clients.
import { readFileSync } from "node:fs";
import mail from "@sendgrid/mail";
import FormData from "form-data";
import Mailgun from "mailgun.js";
import { ServerClient } from "postmark";
import { Resend } from "resend";

const { url, key, from, later, once } = JSON.parse(readFileSync(0, "utf-8"));
const [ada, grace] = ["ada@example.org", "grace@example.org"];
console.warn = () => {}; // SendGrid's client expects a key of its own form

async function resend_changes() {
  const { emails } = new Resend(key, { baseUrl: url });
  const email = { from, to: ada, subject: "Later", text: "Hello" };
  const options = { idempotencyKey: once };
  const sent = [];
  for (let n = 0; n < 2; n += 1) {
    sent.push((await emails.send({ ...email, scheduledAt: later[0] }, options)).data.id);
  }
  const before = (await emails.get(sent[0])).data;
  await emails.update({ id: sent[0], scheduledAt: later[1] });
  const after = (await emails.get(sent[0])).data;
  await emails.cancel(sent[0]);
  const last = (await emails.get(sent[0])).data;
  return {
    same: sent[0] === sent[1],
    other: (await emails.send(email, options)).error.name,
    to: before.to,
    scheduled: [before.scheduled_at, after.scheduled_at],
    events: [before.last_event, last.last_event],
  };
}

async function resend_batch() {
  const client = new Resend(key, { baseUrl: url });
  const good = { from, to: ada, subject: "Batch", text: "Hello" };
  const bad = { ...good, to: "nobody@-example.org" };
  const { data } = await client.batch.send([good, bad, good], { batchValidation: "permissive" });
  return { ids: data.data.length, errors: data.errors.map((one) => one.index) };
}

async function sendgrid_personalizations() {
  mail.setApiKey(key);
  mail.client.setDefaultRequest("baseUrl", url);
  const message = { from, to: [ada, grace], subject: "Each", text: "Hello" };
  const [response] = await mail.sendMultiple(message);
  return { status: response.statusCode };
}

function postmark(token) {
  return new ServerClient(token, { useHttps: false, requestHost: new URL(url).host });
}

async function postmark_batch() {
  const good = { From: from, To: ada, Subject: "Batch", TextBody: "Hello" };
  const bad = { ...good, To: "nobody@-example.org" };
  const answers = await postmark(key).sendEmailBatch([good, bad]);
  return { codes: answers.map((one) => one.ErrorCode) };
}

async function postmark_template() {
  const client = postmark(key);
  const fields = { From: from, To: ada, TemplateModel: { name: "Ada" } };
  const good = { ...fields, TemplateAlias: "welcome" };
  const sent = await client.sendEmailWithTemplate(good);
  const bad = { ...fields, TemplateAlias: "nothing" };
  const batch = await client.sendEmailBatchWithTemplates([good, bad]);
  return { codes: [sent, ...batch].map((one) => one.ErrorCode) };
}

async function postmark_test() {
  const email = { From: from, To: ada, Subject: "Test", TextBody: "Hello" };
  return { message: (await postmark("POSTMARK_API_TEST").sendEmail(email)).Message };
}

// what the vendors' clients show of an email that waits
async function lookups() {
  mail.setApiKey(key);
  mail.client.setDefaultRequest("baseUrl", url);
  const email = { from, to: ada, subject: "Seen", text: "Hello" };
  const [sent] = await mail.send({ ...email }); // it adds fields to what it is given
  const path = `/v3/messages/${sent.headers["x-message-id"]}`;
  const [, shown] = await mail.client.request({ method: "GET", url: path });
  const client = postmark(key);
  const fields = { From: from, To: ada, Subject: "Seen", TextBody: "Hello" };
  const details = await client.getOutboundMessageDetails((await client.sendEmail(fields)).MessageID);
  const mailgun = new Mailgun(FormData).client({ username: "api", key, url });
  const { id } = await mailgun.messages.create("example.com", email);
  const events = await mailgun.events.get("example.com", { "message-id": id });
  return {
    sendgrid: shown.status,
    postmark: details.Status,
    mailgun: events.items.map((one) => one.event),
  };
}

async function mailgun_variables() {
  const client = new Mailgun(FormData).client({ username: "api", key, url });
  const answer = await client.messages.create("example.com", {
    from,
    to: [ada, grace],
    subject: "Hi %recipient.name%",
    text: "Hello",
    "recipient-variables": JSON.stringify({ [ada]: { name: "Ada" }, [grace]: { name: "Grace" } }),
  });
  return { status: answer.status };
}

const calls = [
  resend_changes,
  resend_batch,
  sendgrid_personalizations,
  postmark_batch,
  postmark_template,
  postmark_test,
  lookups,
  mailgun_variables,
];
const outcomes = {};
for (const call of calls) outcomes[call.name] = await call();
console.log(JSON.stringify(outcomes));
