// Loaded before the suite's origin server, which would listen on all interfaces.
const { Server } = require('net')
const listen = Server.prototype.listen
Server.prototype.listen = function (port, ...others) {
  return listen.call(this, port, '127.0.0.1', ...others)
}
