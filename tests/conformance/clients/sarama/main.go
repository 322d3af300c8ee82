// sarama as a member of a group: one JSON object a line on standard input, one a line back, as in ../franz_go/main.go.
//
// It knows the operations of a member alone: group_join, group_poll, group_commit and group_leave.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const (
	heartbeatTime = 300 * time.Millisecond
	pollTime      = 100 * time.Millisecond
	fetchTimeMax  = 100 * time.Millisecond
)

type question struct {
	Op    string `json:"op"`
	Group string `json:"group"`
	Topic string `json:"topic"`
}

// member is what sarama calls back; lock guards all that is below it.
type member struct {
	group  sarama.ConsumerGroup
	topic  string
	cancel context.CancelFunc
	ended  chan struct{}

	lock    sync.Mutex
	session sarama.ConsumerGroupSession
	owned   []int32
	seen    [][2]int64
	failure error
}

func join(bootstrap string, q question) (*member, error) {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = heartbeatTime
	config.Consumer.MaxWaitTime = fetchTimeMax
	group, err := sarama.NewConsumerGroup([]string{bootstrap}, q.Group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{group: group, topic: q.Topic, cancel: cancel, ended: make(chan struct{})}
	go m.work(ctx)
	return m, nil
}

// work joins again after each rebalance, which is what ends a call of Consume.
func (m *member) work(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{m.topic}, m); err != nil {
			m.lock.Lock()
			m.failure = err
			m.lock.Unlock()
			return
		}
	}
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session, m.owned = session, slices.Clone(session.Claims()[m.topic])
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.owned = nil
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, isOpen := <-claim.Messages():
			if !isOpen {
				return nil
			}
			m.lock.Lock()
			m.seen = append(m.seen, [2]int64{int64(message.Partition), message.Offset})
			m.lock.Unlock()
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) poll() (any, error) {
	time.Sleep(pollTime)
	m.lock.Lock()
	defer m.lock.Unlock()
	seen := append([][2]int64{}, m.seen...)
	m.seen = nil
	return map[string]any{"seen": seen, "owned": append([]int32{}, m.owned...)}, m.failure
}

func (m *member) commit() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session.Commit()
	return m.failure
}

func (m *member) leave() error {
	m.cancel()
	<-m.ended
	return m.group.Close()
}

func say(answer any) {
	line, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

func main() {
	var m *member
	say(map[string]any{"result": "ready"})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			panic(err)
		}
		var result any
		var err error
		switch q.Op {
		case "group_join":
			m, err = join(os.Args[1], q)
		case "group_poll":
			result, err = m.poll()
		case "group_commit":
			err = m.commit()
		case "group_leave":
			err = m.leave()
		default:
			err = fmt.Errorf("no operation %q", q.Op)
		}
		if err != nil {
			say(map[string]any{"refused": "ERROR", "sentence": err.Error()})
			continue
		}
		say(map[string]any{"result": result})
	}
}
