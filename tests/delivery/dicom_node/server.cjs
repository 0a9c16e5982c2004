// A C-STORE service class provider (npm dcmjs-dimse) that notes what it takes and answers as told.
// node server.cjs '{"port": .., "log": "taken.jsonl", "plan": "plan.json", "key": .., "cert": ..}'
// The plan is read for every association and every object:
//   reject: "transient" or "permanent"; refuse: SOP classes that are not accepted;
//   status: of every answer; close: "during" (as an object begins to arrive) or "unanswered".
const { createHash } = require('node:crypto');
const { appendFileSync, readFileSync } = require('node:fs');
const net = require('node:net');
const { Writable } = require('node:stream');
const dimse = require('dcmjs-dimse');

const { CEchoResponse, CStoreResponse } = dimse.responses;
const { PresentationContextResult, RejectReason, RejectResult, RejectSource } = dimse.constants;
dimse.log.setLevel('silent');

const given = JSON.parse(process.argv[2]);
const plan = () => JSON.parse(readFileSync(given.plan, 'utf8'));
const note = (line) => appendFileSync(given.log, `${JSON.stringify(line)}\n`);
let associations = 0;

class Digesting extends Writable {
  constructor() {
    super();
    this.digest = createHash('sha256');
  }

  _write(chunk, encoding, done) {
    this.digest.update(chunk);
    done();
  }
}

class Peer extends dimse.Scp {
  associationRequested(association) {
    this.number = associations += 1;
    const { reject, refuse = [] } = plan();
    if (reject) {
      const result = reject === 'permanent' ? RejectResult.Permanent : RejectResult.Transient;
      this.sendAssociationReject(result, RejectSource.ServiceUser, RejectReason.NoReasonGiven);
      return;
    }
    association.getPresentationContexts().forEach(({ context }) => {
      if (refuse.includes(context.getAbstractSyntaxUid())) {
        context.setResult(PresentationContextResult.RejectAbstractSyntaxNotSupported);
      } else {
        context.setResult(PresentationContextResult.Accept, context.getTransferSyntaxUids()[0]);
      }
    });
    note({ association: this.number, calling: association.getCallingAeTitle() });
    this.sendAssociationAccept();
  }

  associationReleaseRequested() {
    note({ released: this.number });
    this.sendAssociationReleaseResponse();
  }

  createStoreWritableStream() {
    if (plan().close === 'during') {
      this.socket.destroy();
    }
    this.arriving = new Digesting();
    return this.arriving;
  }

  createDatasetFromStoreWritableStream(writable, context, callback) {
    this.sha256 = writable.digest.digest('hex');
    callback(undefined);
  }

  cStoreRequest(request, callback) {
    const { status = 0, close } = plan();
    note({ uid: request.getAffectedSopInstanceUid(), sha256: this.sha256, by: this.number, status });
    if (close === 'unanswered') {
      this.socket.destroy();
      return;
    }
    const response = CStoreResponse.fromRequest(request);
    response.setStatus(status);
    callback(response);
  }

  cEchoRequest(request, callback) {
    const response = CEchoResponse.fromRequest(request);
    response.setStatus(0);
    callback(response);
  }
}

// It would listen on every address of the machine.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function onLoopback(port) {
  return listen.call(this, port, '127.0.0.1', () => console.log('ready'));
};
const server = new dimse.Server(Peer);
server.on('networkError', () => {});
const securityOptions = given.key && {
  key: readFileSync(given.key), cert: readFileSync(given.cert), minVersion: 'TLSv1.2',
};
server.listen(given.port, securityOptions ? { securityOptions } : {});
