// franz-go as a member of a group, and as a copier in transactions: the operations that main.go hands on to here.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	heartbeatTime = 300 * time.Millisecond
	pollTimeMax   = 100 * time.Millisecond
	// Every so many transactions of a copy are aborted and done again.
	abortedEach = 3
	// The protocol in which the group's coordinator assigns (KIP-848); any other name is an assigner of the classic one.
	serverSide = "consumer"
)

type member struct {
	client *kgo.Client
	topic  string
	lock   sync.Mutex
	owned  map[int32]bool
}

func (j *judge) groupAnswer(ctx context.Context, q question) (any, error) {
	switch q.Op {
	case "group_join":
		return nil, j.join(q)
	case "group_poll":
		return j.member.poll(ctx)
	case "group_commit":
		return nil, j.member.client.CommitUncommittedOffsets(ctx)
	case "group_leave":
		// Close leaves the group.
		j.member.client.Close()
		return nil, nil
	case "write_open":
		return nil, j.writeOpen(ctx, q)
	case "copy":
		return nil, j.copy(ctx, q)
	}
	return nil, fmt.Errorf("no operation %q", q.Op)
}

func (j *judge) join(q question) error {
	m := &member{topic: q.Topic, owned: map[int32]bool{}}
	options := append(j.groupOptions(q, q.Topic),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) { m.change(assigned, true) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, revoked map[string][]int32) { m.change(revoked, false) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { m.change(lost, false) }),
	)
	client, err := kgo.NewClient(options...)
	m.client = client
	j.member = m
	return err
}

func (j *judge) groupOptions(q question, topic string) []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(j.bootstrap),
		kgo.ConsumerGroup(q.Group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(heartbeatTime),
		kgo.FetchMaxWait(pollTimeMax),
		kgo.MetadataMinAge(10 * time.Millisecond),
	}
	if q.Protocol == serverSide {
		return append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	return append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
}

func (m *member) change(partitions map[string][]int32, isOwned bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, partition := range partitions[m.topic] {
		if isOwned {
			m.owned[partition] = true
		} else {
			delete(m.owned, partition)
		}
	}
}

func (m *member) poll(ctx context.Context) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeMax)
	defer cancel()
	fetches := m.client.PollFetches(ctx)
	for _, failure := range fetches.Errors() {
		if !errors.Is(failure.Err, context.DeadlineExceeded) {
			return nil, failure.Err
		}
	}
	seen := [][2]int64{}
	fetches.EachRecord(func(record *kgo.Record) { seen = append(seen, [2]int64{int64(record.Partition), record.Offset}) })
	m.lock.Lock()
	defer m.lock.Unlock()
	owned := []int32{}
	for partition := range m.owned {
		owned = append(owned, partition)
	}
	slices.Sort(owned)
	return map[string]any{"seen": seen, "owned": owned}, nil
}

func (j *judge) writeOpen(ctx context.Context, q question) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(j.bootstrap), kgo.TransactionalID(q.TransactionalID), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	for _, value := range q.Values {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: q.Topic, Value: []byte(value)}).FirstErr(); err != nil {
			return err
		}
	}
	// The client stays: whoever asked ends this process with the transaction open.
	return nil
}

func (j *judge) copy(ctx context.Context, q question) error {
	options := append(j.groupOptions(q, q.Source),
		kgo.TransactionalID(q.TransactionalID),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	session, err := kgo.NewGroupTransactSession(options...)
	if err != nil {
		return err
	}
	defer session.Close()
	transactions := 0
	for copied := 0; copied < q.Count; {
		fetches := session.PollRecords(ctx, min(q.AtOnce, q.Count-copied))
		for _, failure := range fetches.Errors() {
			return failure.Err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			copied := &kgo.Record{Topic: q.Target, Partition: record.Partition, Key: record.Key, Value: record.Value}
			session.Produce(ctx, copied, nil)
		})
		transactions++
		isCommitted, err := session.End(ctx, kgo.TransactionEndTry(transactions%abortedEach != 0))
		if err != nil {
			return err
		}
		if isCommitted {
			copied += fetches.NumRecords()
		}
	}
	return nil
}
