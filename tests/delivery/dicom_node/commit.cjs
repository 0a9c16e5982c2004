// A storage commitment provider (npm dcmjs-dimse) that answers on a new association.
// node commit.cjs '{"port": .., "door": .., "held": ["UID", ..]}': what it holds it commits, the
// rest it answers with 0112H. It prints the status of each answer to its answers.
const net = require('node:net');
const dimse = require('dcmjs-dimse');

const { CEchoResponse, NActionResponse } = dimse.responses;
const { NEventReportRequest } = dimse.requests;
const { PresentationContextResult } = dimse.constants;
dimse.log.setLevel('silent');

const given = JSON.parse(process.argv[2]);
const PUSH_MODEL = '1.2.840.10008.1.20.1';
const PUSH_MODEL_INSTANCE = '1.2.840.10008.1.20.1.1';

function report(asked) {
  const held = ({ ReferencedSOPInstanceUID: uid }) => given.held.includes(uid);
  const references = [asked.ReferencedSOPSequence].flat();
  const failed = references.filter((one) => !held(one));
  const said = { TransactionUID: asked.TransactionUID };
  const committed = references.filter(held);
  if (committed.length) {
    said.ReferencedSOPSequence = committed;
  }
  if (failed.length) {
    said.FailedSOPSequence = failed.map((one) => ({ ...one, FailureReason: 0x0112 }));
  }
  const request = new NEventReportRequest(PUSH_MODEL, PUSH_MODEL_INSTANCE, failed.length ? 2 : 1);
  request.setDataset(new dimse.Dataset(said));
  request.on('response', (response) => console.log(`status ${response.getStatus()}`));
  const client = new dimse.Client();
  client.addRequest(request);
  client.on('networkError', (error) => console.log(`error ${error}`));
  client.send('127.0.0.1', given.door, 'PACS', 'GRANSK');
}

class Peer extends dimse.Scp {
  associationRequested(association) {
    association.getPresentationContexts().forEach(({ context }) => {
      context.setResult(PresentationContextResult.Accept, context.getTransferSyntaxUids()[0]);
    });
    this.sendAssociationAccept();
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }

  cEchoRequest(request, callback) {
    const response = CEchoResponse.fromRequest(request);
    response.setStatus(0);
    callback(response);
  }

  nActionRequest(request, callback) {
    const response = NActionResponse.fromRequest(request);
    response.setStatus(0);
    callback(response);
    setTimeout(report, 200, request.getDataset().getElements());
  }
}

// It would listen on every address of the machine.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function onLoopback(port) {
  return listen.call(this, port, '127.0.0.1', () => console.log('ready'));
};
const server = new dimse.Server(Peer);
server.on('networkError', () => {});
server.listen(given.port, {});
