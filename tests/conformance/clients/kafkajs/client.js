// kafkajs as a judge: one JSON object a line on standard input, one a line back.
//
// A question is {"op": NAME, ...}; the answer is {"result": ...} or {"refused": NAME, "sentence": TEXT}. A read first says
// {"positioned": true} and goes on when it gets {"op": "continue"}. Bytes travel as base64.
//
// Groups and transactions are in group.js. kafkajs consumes only as a member of a group. Reading one partition without a group therefore asks
// kafkajs's own cluster for the leader and sends its own fetch requests: the encoding, the decoding and the decompression are kafkajs's, the
// loop is ours.
'use strict'

const readline = require('readline')
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')
const SnappyCodec = require('kafkajs-snappy')
const lz4 = require('lz4')
const { ZstdCodec } = require('zstd-codec')
const { operationsOf } = require('./group')

const OPERATION_MS_MAX = 30000
const FETCH_BYTES_MAX = 20000000
const LEADER_ATTEMPTS_MAX = 5

const retry = { retries: 2, initialRetryTime: 50 }
const kafka = new Kafka({ clientId: 'conformance', brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry })
const admin = kafka.admin({ retry })
const createCluster = kafka[Object.getOwnPropertySymbols(kafka).find(symbol => symbol.description.includes('createCluster'))]

const toBuffer = text => (text === null ? null : Buffer.from(text, 'base64'))
const toText = bytes => (bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64'))

// Other writers leave the content's size out of a frame, which only the streaming decoder reads.
function registerCodecs(simple, streaming) {
  CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async encoder => lz4.encode(encoder.buffer),
    decompress: async buffer => lz4.decode(buffer),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async encoder => Buffer.from(simple.compress(encoder.buffer)),
    decompress: async buffer => Buffer.from(streaming.decompress(buffer)),
  })
}

const codecs = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

function headersOf(pairs) {
  const headers = {}
  for (const [name, value] of pairs) {
    const bytes = toBuffer(value)
    headers[name] = name in headers ? [].concat(headers[name], [bytes]) : bytes
  }
  return headers
}

function pairsOf(headers) {
  return Object.entries(headers || {}).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map(one => [name, toText(one)]) : [[name, toText(value)]]
  )
}

const operations = {
  ...operationsOf(kafka),
  async create_topic({ topic, partition_count, replication_factor, settings }) {
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
    const isCreated = await admin.createTopics({
      topics: [{ topic, numPartitions: partition_count, replicationFactor: replication_factor, configEntries }],
      waitForLeaders: false,
    })
    // kafkajs swallows this one refusal and answers false.
    if (!isCreated) throw Object.assign(new Error(`topic ${topic} exists`), { type: 'TOPIC_ALREADY_EXISTS' })
  },
  async grow_topic({ topic, partition_count }) {
    await admin.createPartitions({ topicPartitions: [{ topic, count: partition_count }] })
  },
  async delete_topic({ topic }) {
    await admin.deleteTopics({ topics: [topic] })
  },
  async describe_topic({ topic }) {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const partitions = topics[0].partitions
    return { partition_count: partitions.length, replication_factor: partitions[0].replicas.length }
  },
  async topic_names() {
    return admin.listTopics()
  },
  async topic_setting({ topic, name }) {
    const { resources } = await admin.describeConfigs({
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }],
    })
    return resources[0].configEntries[0].configValue
  },
  async alter_topic_setting({ topic, name, value }) {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] }
    await admin.alterConfigs({ validateOnly: false, resources: [resource] })
  },
  async delete_records({ topic, partition, before_offset }) {
    // The admin client looks for the leader in metadata that only another question loads.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before_offset) }] })
  },
  async write({ topic, partition, messages, codec, acks, is_idempotent }) {
    const producer = kafka.producer({ idempotent: is_idempotent, allowAutoTopicCreation: false, retry })
    await producer.connect()
    try {
      await producer.send({
        topic,
        acks,
        compression: codecs[codec],
        messages: messages.map(({ key, value, headers, timestamp_ms }) => ({
          partition,
          key: toBuffer(key),
          value: toBuffer(value),
          headers: headersOf(headers),
          ...(timestamp_ms === null ? {} : { timestamp: String(timestamp_ms) }),
        })),
      })
    } finally {
      await producer.disconnect()
    }
  },
  async offsets({ topic, partition }) {
    const found = (await admin.fetchTopicOffsets(topic)).find(one => one.partition === partition)
    if (found === undefined) throw Object.assign(new Error(`no partition ${partition}`), { type: 'NO_SUCH_PARTITION_IN_METADATA' })
    return [Number(found.low), Number(found.high)]
  },
  async read({ topic, partition, start, count }, positioned) {
    const cluster = createCluster({ metadataMaxAge: 300000, allowAutoTopicCreation: false, maxInFlightRequests: null })
    await cluster.connect()
    try {
      const broker = await cluster.findBroker({ nodeId: await leaderOf(cluster, topic, partition) })
      const first = await startOffset(cluster, topic, partition, start)
      await positioned()
      return await readFrom(broker, topic, partition, first, count)
    } finally {
      await cluster.disconnect()
    }
  },
}

// A topic that has just been made may have no leader yet; kafkajs's own consumer retries in the same way.
async function leaderOf(cluster, topic, partition) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await cluster.addTargetTopic(topic)
      const leaders = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
      if (leaders.length > 0) return leaders[0]
      throw Object.assign(new Error(`no partition ${partition}`), { type: 'NO_SUCH_PARTITION_IN_METADATA' })
    } catch (error) {
      if (attempt === LEADER_ATTEMPTS_MAX) throw error
      await new Promise(resolve => setTimeout(resolve, 100))
      await cluster.refreshMetadata().catch(() => undefined)
    }
  }
}

async function startOffset(cluster, topic, partition, start) {
  if (start.kind === 'offset') return BigInt(start.offset)
  const question = { topic, partitions: [{ partition }] }
  if (start.kind === 'beginning') question.fromBeginning = true
  if (start.kind === 'end') question.fromBeginning = false
  if (start.kind === 'timestamp') question.fromTimestamp = start.timestamp_ms
  const [answer] = await cluster.fetchTopicsOffset([question])
  return BigInt(answer.partitions[0].offset)
}

async function readFrom(broker, topic, partition, first, count) {
  const messages = []
  const deadline = Date.now() + OPERATION_MS_MAX
  let next = first
  while (messages.length < count) {
    if (Date.now() > deadline) throw new Error(`${messages.length} of ${count} messages came`)
    const { responses } = await broker.fetch({
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: FETCH_BYTES_MAX,
      isolationLevel: 0,
      topics: [{ topic, partitions: [{ partition, fetchOffset: next.toString(), maxBytes: FETCH_BYTES_MAX }] }],
    })
    for (const message of responses[0].partitions[0].messages) {
      if (BigInt(message.offset) < next) continue
      next = BigInt(message.offset) + 1n
      if (messages.length === count) break
      messages.push({
        offset: Number(message.offset),
        timestamp_ms: Number(message.timestamp),
        key: toText(message.key),
        value: toText(message.value),
        headers: pairsOf(message.headers),
      })
    }
  }
  return messages
}

function refusal(error) {
  const inner = [error, error.cause, error.originalError, ...(error.errors || [])].filter(Boolean)
  const typed = inner.find(one => one.type !== undefined)
  return typed ? typed.type : error.name
}

async function main() {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  const say = answer => process.stdout.write(JSON.stringify(answer) + '\n')
  const positioned = async () => {
    say({ positioned: true })
    await lines.next()
  }
  const zstd = await new Promise(resolve => ZstdCodec.run(resolve))
  registerCodecs(new zstd.Simple(), new zstd.Streaming())
  await admin.connect()
  say({ result: 'ready' })
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const question = JSON.parse(line.value)
    try {
      say({ result: (await operations[question.op](question, positioned)) ?? null })
    } catch (error) {
      say({ refused: refusal(error), sentence: String(error.message) })
    }
  }
  await admin.disconnect()
}

main()
