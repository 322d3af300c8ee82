// franz-go as a judge: one JSON object a line on standard input, one a line back.
//
// A question is {"op": NAME, ...}; the answer is {"result": ...} or {"refused": NAME, "sentence": TEXT}. A read first says
// {"positioned": true} and goes on when it gets {"op": "continue"}. Bytes travel as base64, which encoding/json does for []byte.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	operationTimeMax = 30 * time.Second
	bytesMax         = 20_000_000
	lineBytesMax     = 64 << 20
)

type message struct {
	Offset      int64       `json:"offset"`
	TimestampMs *int64      `json:"timestamp_ms"`
	Key         []byte      `json:"key"`
	Value       []byte      `json:"value"`
	Headers     [][]*string `json:"headers"`
}

type startPosition struct {
	Kind        string `json:"kind"`
	Offset      int64  `json:"offset"`
	TimestampMs int64  `json:"timestamp_ms"`
}

type question struct {
	Op                string             `json:"op"`
	Topic             string             `json:"topic"`
	Partition         int32              `json:"partition"`
	PartitionCount    int32              `json:"partition_count"`
	ReplicationFactor int16              `json:"replication_factor"`
	Settings          map[string]*string `json:"settings"`
	Name              string             `json:"name"`
	Value             string             `json:"value"`
	BeforeOffset      int64              `json:"before_offset"`
	Messages          []message          `json:"messages"`
	Codec             string             `json:"codec"`
	Acks              int                `json:"acks"`
	IsIdempotent      bool               `json:"is_idempotent"`
	Start             startPosition      `json:"start"`
	Count             int                `json:"count"`
	Group             string             `json:"group"`
	Protocol          string             `json:"protocol"`
	TransactionalID   string             `json:"transactional_id"`
	Source            string             `json:"source"`
	Target            string             `json:"target"`
	AtOnce            int                `json:"at_once"`
	Values            []string           `json:"values"`
}

type judge struct {
	bootstrap string
	admin     *kadm.Client
	lines     *bufio.Scanner
	member    *member
}

func (j *judge) answer(ctx context.Context, q question) (any, error) {
	switch q.Op {
	case "create_topic":
		_, err := j.admin.CreateTopic(ctx, q.PartitionCount, q.ReplicationFactor, q.Settings, q.Topic)
		return nil, err
	case "grow_topic":
		answers, err := j.admin.UpdatePartitions(ctx, int(q.PartitionCount), q.Topic)
		if err != nil {
			return nil, err
		}
		return nil, answers.Error()
	case "delete_topic":
		_, err := j.admin.DeleteTopic(ctx, q.Topic)
		return nil, err
	case "describe_topic":
		return j.describeTopic(ctx, q)
	case "topic_names":
		topics, err := j.admin.ListTopics(ctx)
		return topics.Names(), err
	case "topic_setting":
		return j.topicSetting(ctx, q)
	case "alter_topic_setting":
		change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: q.Name, Value: &q.Value}}
		answers, err := j.admin.AlterTopicConfigs(ctx, change, q.Topic)
		if err != nil {
			return nil, err
		}
		return nil, answers[0].Err
	case "delete_records":
		offsets := kadm.Offsets{}
		offsets.AddOffset(q.Topic, q.Partition, q.BeforeOffset, -1)
		answers, err := j.admin.DeleteRecords(ctx, offsets)
		if err != nil {
			return nil, err
		}
		return nil, answers.Error()
	case "write":
		return nil, j.write(ctx, q)
	case "read":
		return j.read(ctx, q)
	case "offsets":
		return j.offsets(ctx, q)
	}
	return j.groupAnswer(ctx, q)
}

func (j *judge) describeTopic(ctx context.Context, q question) (any, error) {
	topics, err := j.admin.ListTopics(ctx, q.Topic)
	if err != nil {
		return nil, err
	}
	detail := topics[q.Topic]
	if detail.Err != nil {
		return nil, detail.Err
	}
	return map[string]int{"partition_count": len(detail.Partitions), "replication_factor": detail.Partitions.NumReplicas()}, nil
}

func (j *judge) topicSetting(ctx context.Context, q question) (any, error) {
	described, err := j.admin.DescribeTopicConfigs(ctx, q.Topic)
	if err != nil {
		return nil, err
	}
	if described[0].Err != nil {
		return nil, described[0].Err
	}
	for _, setting := range described[0].Configs {
		if setting.Key == q.Name {
			return setting.MaybeValue(), nil
		}
	}
	return nil, fmt.Errorf("the answer has no setting %q", q.Name)
}

func (j *judge) offsets(ctx context.Context, q question) (any, error) {
	first, err := j.listedOffset(j.admin.ListStartOffsets(ctx, q.Topic))(q)
	if err != nil {
		return nil, err
	}
	end, err := j.listedOffset(j.admin.ListEndOffsets(ctx, q.Topic))(q)
	return []int64{first, end}, err
}

func (j *judge) listedOffset(listed kadm.ListedOffsets, err error) func(question) (int64, error) {
	return func(q question) (int64, error) {
		if err != nil {
			return 0, err
		}
		found, ok := listed.Lookup(q.Topic, q.Partition)
		if !ok {
			return 0, kerr.UnknownTopicOrPartition
		}
		return found.Offset, found.Err
	}
}

func (j *judge) write(ctx context.Context, q question) error {
	options := []kgo.Opt{
		kgo.SeedBrokers(j.bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecOf(q.Codec)),
		kgo.ProducerBatchMaxBytes(bytesMax),
		kgo.BrokerMaxWriteBytes(4 * bytesMax),
		kgo.UnknownTopicRetries(1),
		kgo.RequiredAcks(acksOf(q.Acks)),
	}
	if !q.IsIdempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	records := make([]*kgo.Record, len(q.Messages))
	for index, one := range q.Messages {
		record := &kgo.Record{Topic: q.Topic, Partition: q.Partition, Key: one.Key, Value: one.Value, Headers: headersOf(one.Headers)}
		if one.TimestampMs != nil {
			record.Timestamp = time.UnixMilli(*one.TimestampMs)
		}
		records[index] = record
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

func (j *judge) read(ctx context.Context, q question) (any, error) {
	first, err := j.startOffset(ctx, q)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(j.bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{q.Topic: {q.Partition: first}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxPartitionBytes(bytesMax),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	say(map[string]any{"positioned": true})
	j.lines.Scan()
	messages := []message{}
	for len(messages) < q.Count {
		fetches := client.PollRecords(ctx, q.Count-len(messages))
		for _, failure := range fetches.Errors() {
			return nil, failure.Err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			timestamp := record.Timestamp.UnixMilli()
			messages = append(messages, message{
				Offset: record.Offset, TimestampMs: &timestamp, Key: record.Key, Value: record.Value, Headers: pairsOf(record.Headers),
			})
		})
	}
	return messages, nil
}

// startOffset looks the end and a timestamp up before the reading starts, because the scenario writes once the position is known.
func (j *judge) startOffset(ctx context.Context, q question) (kgo.Offset, error) {
	switch q.Start.Kind {
	case "beginning":
		return kgo.NewOffset().AtStart(), nil
	case "end":
		end, err := j.listedOffset(j.admin.ListEndOffsets(ctx, q.Topic))(q)
		return kgo.NewOffset().At(end), err
	case "timestamp":
		return kgo.NewOffset().AfterMilli(q.Start.TimestampMs), nil
	}
	return kgo.NewOffset().At(q.Start.Offset), nil
}

func codecOf(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func acksOf(acks int) kgo.Acks {
	switch acks {
	case 0:
		return kgo.NoAck()
	case 1:
		return kgo.LeaderAck()
	}
	return kgo.AllISRAcks()
}

func headersOf(pairs [][]*string) []kgo.RecordHeader {
	headers := make([]kgo.RecordHeader, len(pairs))
	for index, pair := range pairs {
		headers[index].Key = *pair[0]
		if pair[1] != nil {
			// A []byte in JSON is base64: decode through the same door.
			text, _ := json.Marshal(*pair[1])
			_ = json.Unmarshal(text, &headers[index].Value)
		}
	}
	return headers
}

func pairsOf(headers []kgo.RecordHeader) [][]*string {
	pairs := make([][]*string, len(headers))
	for index, header := range headers {
		name := header.Key
		pairs[index] = []*string{&name, nil}
		if header.Value != nil {
			var text string
			encoded, _ := json.Marshal(header.Value)
			_ = json.Unmarshal(encoded, &text)
			pairs[index][1] = &text
		}
	}
	return pairs
}

func say(answer any) {
	line, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

func refusal(err error) map[string]any {
	var known *kerr.Error
	name := "ERROR"
	if errors.As(err, &known) {
		name = known.Message
	}
	return map[string]any{"refused": name, "sentence": err.Error()}
}

func main() {
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer client.Close()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), lineBytesMax)
	j := &judge{bootstrap: os.Args[1], admin: kadm.NewClient(client), lines: lines}
	say(map[string]any{"result": "ready"})
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			panic(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), operationTimeMax)
		result, err := j.answer(ctx, q)
		cancel()
		if err != nil {
			say(refusal(err))
			continue
		}
		say(map[string]any{"result": result})
	}
}
