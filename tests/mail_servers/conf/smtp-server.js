// nodemailer's smtp-server with one oddity a port; raw messages go to @ROOT@/taken.
const { SMTPServer } = require('smtp-server');
const fs = require('fs');
const crypto = require('crypto');
const key = fs.readFileSync('@ROOT@/key.pem');
const cert = fs.readFileSync('@ROOT@/cert.pem');
const dir = '@ROOT@/taken/';
let n = 0;
// what an issuer would say of a token: its signature, its time, its mailbox
function isGood(token, user) {
  const [head, claims, signature] = token.split('.');
  const right = crypto.createHmac('sha256', '@KEY@').update(head + '.' + claims).digest('base64url');
  if (signature !== right) return false;
  const told = JSON.parse(Buffer.from(claims, 'base64url').toString());
  return told.email === user && told.exp > Date.now() / 1000;
}
function open(port, options) {
  const server = new SMTPServer(Object.assign({
    key, cert, name: 'ss.test', logger: false, disableReverseLookup: true,
    onAuth(auth, session, done) {
      if (auth.method === 'XOAUTH2') {
        if (isGood(auth.accessToken, auth.username)) return done(null, { user: auth.username });
        return done(null, { data: { status: '401', schemes: 'bearer', scope: 'https://ss.test/' } });
      }
      const password = '@PASSWORD@';
      const right = auth.username === 'u1@example.test' &&
        (auth.method === 'CRAM-MD5' ? auth.validatePassword(password) : auth.password === password);
      done(right ? null : new Error('Invalid username or password'), { user: auth.username });
    },
    onRcptTo(address, session, done) {
      done(/^ghost/.test(address.address) ? new Error('Unknown user') : null);
    },
    onData(stream, session, done) {
      const parts = [];
      stream.on('data', part => parts.push(part));
      stream.on('end', () => {
        if (stream.sizeExceeded) {
          const error = new Error('Message exceeds fixed maximum message size');
          error.responseCode = 552;
          return done(error);
        }
        for (const recipient of session.envelope.rcptTo) {
          const file = dir + process.pid + '-' + (n++);
          const envelope = Buffer.from('X-Env: ' + recipient.address + '\r\n');
          fs.writeFileSync(file + '.new', Buffer.concat([envelope, ...parts]));
          fs.renameSync(file + '.new', file);
        }
        done();
      });
    },
  }, options));
  server.on('error', (error) => {
    if (error.syscall === 'listen') throw error;  // another server has the port
  });
  server.listen(port, '127.0.0.1');
}
open(@STARTTLS@, { authMethods: ['PLAIN', 'LOGIN', 'XOAUTH2'] });
open(@TLS@, { secure: true });
open(@LOGIN@, { secure: true, authMethods: ['LOGIN'] });
open(@CRAM@, { secure: true, authMethods: ['CRAM-MD5'] });
open(@XOAUTH@, { secure: true, authMethods: ['XOAUTH2'] });
open(@BARE@, { secure: true, hidePIPELINING: true, hide8BITMIME: true, hideSMTPUTF8: true });
open(@SMALL@, { secure: true, size: 100000 });
open(@HIDDEN@, { secure: true, size: 100000, hideSize: true });
open(@IMPATIENT@, { secure: true, socketTimeout: 1500 });
open(@SINGLE@, { secure: true, maxClients: 1 });
open(@UNWELCOME@, { secure: true, onConnect(session, done) { done(new Error('Not from you')); } });
open(@SENDER@, { secure: true, onMailFrom(address, session, done) {
  const error = new Error('5.7.1 Sender address rejected: not owned by user');
  error.responseCode = 553;
  done(error);
} });
