// visit.js: Node visits a NATS server whose TLS comes first.
//   node visit.js PORT VERSION CIPHERS CURVE NAME CA [CERT KEY]
// Prints "pong" when the server answered its PING, else one line that says why not.
'use strict';
const fs = require('fs');
const tls = require('tls');

const [port, version, ciphers, curve, name, ca, cert, key] = process.argv.slice(2);
const options = {
  host: '127.0.0.1', port: Number(port), servername: 'localhost',
  minVersion: 'TLSv' + version, maxVersion: 'TLSv' + version,
  ciphers, ecdhCurve: curve, ca: fs.readFileSync(ca),
};
if (cert) {
  options.cert = fs.readFileSync(cert);
  options.key = fs.readFileSync(key);
}
let got = '';
function end(text, status) {
  console.log(text);
  process.exit(status);
}
const socket = tls.connect(options, () => {
  socket.write(`CONNECT {"name":"${name}"}\r\nPING\r\n`);
});
socket.on('data', (data) => {
  got += data;
  if (got.includes('PONG\r\n')) {
    socket.end();
    socket.on('close', () => end('pong', 0));
  }
});
socket.on('error', (err) => end(`${err.code}: ${err.message}`, 1));
socket.on('end', () => { if (!got.includes('PONG\r\n')) end('closed', 1); });
