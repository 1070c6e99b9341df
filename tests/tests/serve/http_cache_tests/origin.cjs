// Loaded before the suite's origin server, which would listen on all interfaces, and which is told a request's number in
// a field that no shared fetch carries. The number comes in the state of its trace instead, which they do carry.
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
