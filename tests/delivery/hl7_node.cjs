// A peer that is not ours: node-hl7-server takes messages, node-hl7-client sends them.
// node hl7_node.cjs server CODE [FIELD,..]: prints its port, then each message's fields as JSON
// lines. CODE is AA, AE or AR; silent: no answer; cut: the connection ends without one.
// node hl7_node.cjs client PORT FILE: sends the message in FILE and prints the answer's MSA.
const path = require('node:path')
const fs = require('node:fs')
const net = require('node:net')
const modules = path.join(__dirname, '..', '..', 'node_modules')
const { Server } = require(path.join(modules, 'node-hl7-server'))
const { Client, Message } = require(path.join(modules, 'node-hl7-client'))

const [mode, first, file] = process.argv.slice(2)
const usual = 'MSH.9.1,MSH.10,PID.3.1,PID.5.1,OBR.18,OBR.25'
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')

function free () {
  return new Promise((resolve) => {
    const door = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = door.address()
      door.close(() => resolve(port))
    })
  })
}

async function serve () {
  const port = await free()
  const inbound = new Server({ bindAddress: '127.0.0.1' }).createInbound({ port }, async (req, res) => {
    const message = req.getMessage()
    const told = {}
    for (const name of (file || usual).split(',')) {
      told[name] = message.get(name).toString()
    }
    say(told)
    if (first === 'cut') sockets.forEach((one) => one.destroy())
    else if (first !== 'silent') await res.sendResponse(first)
  })
  const sockets = new Set()
  inbound.on('client.connect', (socket) => sockets.add(socket))
  inbound.on('listen', () => say({ port }))
}

function send () {
  const text = fs.readFileSync(file, 'utf-8')
  const client = new Client({ host: '127.0.0.1' })
  const outbound = client.createConnection({ port: Number(first), waitAck: true }, (res) => {
    const answer = res.getMessage()
    say({ code: answer.get('MSA.1').toString(), id: answer.get('MSA.2').toString() })
    outbound.close().then(() => process.exit(0))
  })
  outbound.on('client.error', (error) => { say({ error: String(error) }); process.exit(1) })
  outbound.sendMessage(new Message({ text }))
}

if (mode === 'server') serve()
else send()
