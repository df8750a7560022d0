// Every message a file of its own for each recipient, on the disk before it is answered.
const fs = require('fs');
const dir = '@ROOT@/taken/';
let n = 0;
exports.hook_queue_outbound = exports.hook_queue = function (next, connection) {
  const transaction = connection.transaction;
  const file = dir + process.pid + '-' + (n++);
  const writing = fs.createWriteStream(file + '.tmp');
  transaction.message_stream.pipe(writing);
  writing.on('finish', () => {
    const octets = fs.readFileSync(file + '.tmp');
    transaction.rcpt_to.forEach((rcpt, i) => {
      const address = String(rcpt.address || rcpt).replace(/[<>]/g, '');
      const envelope = Buffer.from('X-Env: ' + address + '\n');
      fs.writeFileSync(file + '-' + i + '.new', Buffer.concat([envelope, octets]));
      fs.renameSync(file + '-' + i + '.new', file + '-' + i);
    });
    fs.unlinkSync(file + '.tmp');
    next(OK, 'queued');
  });
};
exports.hook_rcpt = function (next, connection, params) {
  if (/^ghost/.test(params[0].user)) return next(DENY, 'no such user');
  next(OK);
};
exports.hook_mail = function (next) { next(OK); };
// The machine's resolver may be slow, and who connects is known.
exports.hook_lookup_rdns = function (next) { setImmediate(() => next(OK, 'localhost')); };
