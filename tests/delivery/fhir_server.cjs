// A FHIR R4 server that is not ours: Medplum's router over its repository in memory, with HL7's own
// definitions of R4. What does not fit them is refused.
// node fhir_server.cjs PORT: on stdout "ready", then a line of JSON for each request.
'use strict';
const http = require('http');
const path = require('path');
const fs = require('fs');
globalThis.WebSocket ??= EventTarget; // named by the library as it loads, and never used here
const { indexStructureDefinitionBundle, validateResource, allOk, isOk } = require('@medplum/core');
const { FhirRouter, MemoryRepository } = require('@medplum/fhir-router');

const definitions = path.join(__dirname, '..', '..', 'node_modules', '@medplum', 'definitions', 'dist', 'fhir', 'r4');
for (const name of ['profiles-types.json', 'profiles-resources.json']) {
  indexStructureDefinitionBundle(JSON.parse(fs.readFileSync(path.join(definitions, name), 'utf8')));
}

const router = new FhirRouter();
const repo = new MemoryRepository();
let down = 0; // so many requests are answered with 503

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/fhir+json' });
  response.end(JSON.stringify(body));
}

async function handle(request, response, text) {
  const url = new URL(request.url, 'http://127.0.0.1');
  const seen = { method: request.method, url: request.url, auth: request.headers.authorization || '', body: text };
  process.stdout.write(JSON.stringify(seen) + '\n');
  if (url.pathname === '/down') {
    down = Number(url.searchParams.get('times'));
    return answer(response, 200, {});
  }
  if (down > 0) {
    down -= 1;
    return answer(response, 503, {});
  }
  const body = text ? JSON.parse(text) : undefined;
  if (body !== undefined) {
    try {
      validateResource(body);
    } catch (error) {
      return answer(response, 422, error.outcome || { error: String(error) });
    }
  }
  if (url.pathname === '/validate') {
    return answer(response, 200, allOk);
  }
  const result = await router.handleRequest(
    {
      method: request.method, url: request.url, body, params: {},
      query: Object.fromEntries(url.searchParams), headers: request.headers,
    },
    repo
  );
  const [outcome, resource] = result;
  if (!isOk(outcome)) {
    return answer(response, outcome.id === 'not-found' ? 404 : 422, outcome);
  }
  return answer(response, outcome.id === 'created' ? 201 : 200, resource || outcome);
}

http
  .createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      handle(request, response, Buffer.concat(chunks).toString('utf8')).catch((error) => {
        process.stderr.write(String(error.stack || error) + '\n');
        answer(response, 500, { error: String(error) });
      });
    });
  })
  .listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('ready\n'));
