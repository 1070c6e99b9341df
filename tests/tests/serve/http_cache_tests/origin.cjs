// Loaded before the suite's origin server, which would otherwise listen on all interfaces, and which reads a request's number
// from a field that shared fetches do not carry. This code reads the number from `tracestate`, which they carry.
const http = require('http')
const { createServer } = http

http.createServer = answer => {
  const server = createServer((request, response) => {
    const number = /\bhttp-cache-tests=(\d+)/.exec(request.headers.tracestate)
    if (number) request.headers['req-num'] = number[1]
    answer(request, response)
  })
  const { listen } = server
  server.listen = port => listen.call(server, port, '127.0.0.1')
  return server
}
