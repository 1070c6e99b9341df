// Runs the client of http-cache-tests against a cache: node run.mjs PACKAGE URL [ID...]
// Prints a line of JSON for each test. The suite's own command line waits forever for an aborted transfer.
import { createRequire } from 'module'
import { pathToFileURL } from 'url'

const AT_ONCE = 50
const PATIENCE = 20000

const [home, base, ...ids] = process.argv.slice(2)
const load = file => import(pathToFileURL(`${home}/${file}`).href)
const config = await load('client/config.mjs')
const { makeCacheTest, testResults } = await load('client/test.mjs')
const suites = (await load('tests/index.mjs')).default

const fetch = createRequire(`${home}/cli.mjs`)('node-fetch')
// The client sends the number of a request in a field that shared fetches do not carry; see origin.cjs.
config.setFetch((url, init = {}) => {
  const headers = init.headers ?? []
  const number = headers.find(([name]) => name === 'Req-Num')?.[1]
  const trace = number === undefined ? [] : [['tracestate', `http-cache-tests=${number}`]]
  return fetch(url, { ...init, headers: [...headers, ...trace] })
})
config.setBaseUrl(base)
config.setUseBrowserCache(false)

const tests = suites.flatMap(suite => suite.tests.map(test => ({ group: suite.id, ...test })))
  .filter(test => !test.browser_only && (ids.length === 0 || ids.includes(test.id)))

async function run (test) {
  let timer
  const late = new Promise(resolve => { timer = setTimeout(resolve, PATIENCE) })
  await Promise.race([makeCacheTest(test), late])
  clearTimeout(timer)
  const result = testResults[test.id] ?? ['Harness', `no end within ${PATIENCE / 1000} s`]
  const { id, group, kind = 'required', depends_on: dependencies = [] } = test
  const failure = result === true ? null : result.join(': ')
  await new Promise(resolve => {
    process.stdout.write(JSON.stringify({ id, group, kind, dependencies, failure }) + '\n', resolve)
  })
}

const waiting = tests.values()
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (const test of waiting) await run(test)
}))
// Requests that hang are abandoned.
process.exit(0)
