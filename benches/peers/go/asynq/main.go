// Command asynq is a worker of asynq, and a caller that gets its replies as fast as a user of asynq can make it: asynq has no
// way to wait for a result, so the handler pushes the result to a list of the caller's, who blocks on it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/hero-supervisor/hero-supervisor/benches/peers/go/caller"
)

const (
	queue       = "default"
	concurrency = 64
	// Callers that hand in jobs beside each other, since asynq has no call for many.
	submitters = 64
	maxWait    = time.Minute
)

// payload is the argument of a job; without a place for the reply there is none.
type payload struct {
	ReplyTo string `json:"reply_to,omitempty"`
	Text    string `json:"text"`
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: asynq worker|caller HOST:PORT DATABASE")
	}
	database, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	options := asynq.RedisClientOpt{Addr: os.Args[2], DB: database, PoolSize: 2 * submitters}
	replies := redis.NewClient(&redis.Options{Addr: options.Addr, DB: options.DB, PoolSize: options.PoolSize})
	switch os.Args[1] {
	case "worker":
		err = work(options, replies)
	case "caller":
		client, inspector := asynq.NewClient(options), asynq.NewInspector(options)
		err = caller.Serve(peer{client, inspector, replies})
	default:
		err = fmt.Errorf("no such part: %s", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func work(options asynq.RedisClientOpt, replies *redis.Client) error {
	server := asynq.NewServer(options, asynq.Config{
		Concurrency: concurrency,
		// The shortest sleep between looks at an empty queue that does not take a core; asynq's default is a second.
		TaskCheckInterval: time.Millisecond,
		LogLevel:          asynq.ErrorLevel,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc("noop", func(ctx context.Context, task *asynq.Task) error {
		var given payload
		if err := json.Unmarshal(task.Payload(), &given); err != nil {
			return err
		}
		if given.ReplyTo == "" {
			return nil
		}
		return replies.LPush(ctx, given.ReplyTo, caller.Result).Err()
	})
	return server.Run(mux)
}

type peer struct {
	client    *asynq.Client
	inspector *asynq.Inspector
	replies   *redis.Client
}

func (p peer) submit(ctx context.Context, replyTo string) error {
	text, err := json.Marshal(payload{replyTo, caller.Payload})
	if err != nil {
		return err
	}
	_, err = p.client.EnqueueContext(ctx, asynq.NewTask("noop", text))
	return err
}

func (p peer) Run(ctx context.Context, number int) error {
	replyTo := fmt.Sprintf("reply:%d", number)
	if err := p.submit(ctx, replyTo); err != nil {
		return err
	}
	reply, err := p.replies.BRPop(ctx, maxWait, replyTo).Result()
	if err != nil {
		return err
	}
	if reply[1] != caller.Result {
		return fmt.Errorf("result %q", reply[1])
	}
	return nil
}

func (p peer) Queue(ctx context.Context, jobs int) error {
	if err := p.inspector.PauseQueue(queue); err != nil {
		return err
	}
	failures := make([]error, submitters)
	var all sync.WaitGroup
	for submitter := range submitters {
		all.Go(func() {
			for number := submitter; number < jobs && failures[submitter] == nil; number += submitters {
				failures[submitter] = p.submit(ctx, "")
			}
		})
	}
	all.Wait()
	for _, failure := range failures {
		if failure != nil {
			return failure
		}
	}
	return nil
}

func (p peer) Resume(context.Context) error { return p.inspector.UnpauseQueue(queue) }

// Left reads two lengths, which is less than GetQueueInfo does.
func (p peer) Left(ctx context.Context) (int, error) {
	pipe := p.replies.Pipeline()
	pending := pipe.LLen(ctx, "asynq:{"+queue+"}:pending")
	active := pipe.LLen(ctx, "asynq:{"+queue+"}:active")
	_, err := pipe.Exec(ctx)
	return int(pending.Val() + active.Val()), err
}
