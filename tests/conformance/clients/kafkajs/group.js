// kafkajs as a member of a group, and as a copier in transactions: the operations that client.js hands on to here.
'use strict'

const { PartitionAssigners } = require('kafkajs')

const HEARTBEAT_MS = 300
const FETCH_WAIT_MS_MAX = 100
const POLL_MS = 100
const COPY_MS_MAX = 30000
// Every so many transactions of a copy are aborted and done again.
const ABORTED_EACH = 3

// A transactional id is busy for as long as the last transaction is being ended.
const TRANSACTION_RETRY = { retries: 20, initialRetryTime: 50, maxRetryTime: 500 }

const pause = ms => new Promise(resolve => setTimeout(resolve, ms))
const after = offset => (BigInt(offset) + 1n).toString()

function makeConsumer(kafka, group, extra = {}) {
  return kafka.consumer({
    groupId: group,
    partitionAssigners: [PartitionAssigners.roundRobin],
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: FETCH_WAIT_MS_MAX,
    allowAutoTopicCreation: false,
    ...extra,
  })
}

function makeProducer(kafka, transactionalId) {
  return kafka.producer({
    transactionalId,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: TRANSACTION_RETRY,
  })
}

// The member that this process is, once it has joined.
let member = null

function operationsOf(kafka) {
  return {
    async group_join({ group, topic }) {
      const consumer = makeConsumer(kafka, group)
      member = { consumer, topic, owned: [], seen: [], positions: new Map(), crash: null }
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => (member.owned = payload.memberAssignment[topic] || []))
      consumer.on(consumer.events.REBALANCING, () => (member.owned = []))
      consumer.on(consumer.events.CRASH, ({ payload }) => (member.crash = payload.error))
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          member.seen.push([partition, Number(message.offset)])
          member.positions.set(partition, after(message.offset))
        },
      })
    },
    async group_poll() {
      await pause(POLL_MS)
      if (member.crash !== null) throw member.crash
      return { seen: member.seen.splice(0), owned: member.owned }
    },
    async group_commit() {
      await member.consumer.commitOffsets([...member.positions].map(([partition, offset]) => ({ topic: member.topic, partition, offset })))
    },
    async group_leave() {
      await member.consumer.disconnect()
    },
    async write_open({ transactional_id, topic, values }) {
      const producer = makeProducer(kafka, transactional_id)
      await producer.connect()
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: values.map(value => ({ partition: 0, value })) })
    },
    async copy({ transactional_id, group, source, target, count, at_once }) {
      const producer = makeProducer(kafka, transactional_id)
      const consumer = makeConsumer(kafka, group, { readUncommitted: false })
      await producer.connect()
      await consumer.connect()
      try {
        await consumer.subscribe({ topic: source, fromBeginning: true })
        await copyFrom(producer, consumer, { group, source, target, count, at_once })
      } finally {
        await consumer.disconnect()
        await producer.disconnect()
      }
    },
  }
}

async function copyFrom(producer, consumer, { group, source, target, count, at_once }) {
  let copied = 0
  let transactions = 0
  let failure = null
  consumer.on(consumer.events.CRASH, ({ payload }) => (failure = payload.error))
  const copyBatch = async ({ batch, resolveOffset }) => {
    let next = 0
    while (copied < count && next < batch.messages.length) {
      const messages = batch.messages.slice(next, next + Math.min(at_once, count - copied))
      const last = messages[messages.length - 1].offset
      const transaction = await producer.transaction()
      await transaction.send({ topic: target, messages: messages.map(({ key, value }) => ({ partition: batch.partition, key, value })) })
      const partitions = [{ partition: batch.partition, offset: after(last) }]
      await transaction.sendOffsets({ consumerGroupId: group, topics: [{ topic: source, partitions }] })
      transactions += 1
      if (transactions % ABORTED_EACH === 0) {
        await transaction.abort()
        continue
      }
      await transaction.commit()
      resolveOffset(last)
      copied += messages.length
      next += messages.length
    }
  }
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: copyBatch })
  const deadline = Date.now() + COPY_MS_MAX
  while (copied < count) {
    if (failure !== null) throw failure
    if (Date.now() > deadline) throw new Error(`${copied} of ${count} were copied`)
    await pause(POLL_MS / 10)
  }
}

module.exports = { operationsOf }
