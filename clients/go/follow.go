package supervisor

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

const (
	// What the server keeps to if it is not asked for something else.
	defaultHeartbeat = 15 * time.Second
	// A watch that is silent for so many heartbeats has lost its server.
	silentHeartbeats = 3
)

// longestSilence is the time after which a stream with this heartbeat has lost its server.
func longestSilence(heartbeat time.Duration) time.Duration {
	if heartbeat == 0 {
		heartbeat = defaultHeartbeat
	}
	return silentHeartbeats * heartbeat
}

// course is how one kind of stream is followed through losses.
type course[M any] struct {
	// open asks for what comes behind the last message.
	open func(context.Context) (grpc.ServerStreamingClient[M], error)
	// note takes note of a message before the reader gets it.
	note func(*M)
	// again begins anew when the server no longer keeps what comes next. Without it that is an error.
	again func()
	// done says whether the end of a stream is the end of all. Without it the stream is opened again.
	done func() bool
	// silence is the longest one; 0 for streams without heartbeats.
	silence time.Duration
}

// follow reads streams one after the other as if they were one. Each loop over them is a course of its own.
func follow[M any](ctx context.Context, c *Client, subject string, begin func() course[M]) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		w, path := c.newWait(subject), begin()
		for ctx.Err() == nil {
			w.tried = true
			left := false
			err := one(ctx, path, func(message *M) bool {
				w.succeeded()
				path.note(message)
				left = !yield(message, nil)
				return !left
			})
			if left || (err == nil && path.done != nil && path.done()) {
				return
			}
			asked := time.Duration(0)
			if told := ParseError(err); told != nil && ctx.Err() == nil {
				asked = told.RetryAfter
				switch {
				case told.lost() || told.Reason == "CONSUMER_TOO_SLOW":
					err = w.lost(ctx, told)
				case told.Code == codes.OutOfRange && path.again != nil:
					path.again()
					err = nil
				default:
					err = told
				}
				if err != nil {
					yield(nil, err)
					return
				}
			}
			w.delays.wait(ctx, asked)
		}
		if w.last != nil && !w.answered {
			yield(nil, w.over(ctx))
			return
		}
		ended := ParseError(grpcError(ctx.Err()))
		ended.ended = errors.Join(ctx.Err(), context.Cause(ctx))
		yield(nil, ended)
	}
}

// one reads one stream to its end, and ends it when it is silent for too long.
func one[M any](ctx context.Context, path course[M], each func(*M) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := path.open(ctx)
	if err != nil {
		return err
	}
	for {
		message, err := receive(stream, path.silence, cancel)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !each(message) {
			return nil
		}
	}
}

func receive[M any](stream grpc.ServerStreamingClient[M], silence time.Duration, cancel context.CancelFunc) (*M, error) {
	if silence > 0 {
		watchdog := time.AfterFunc(silence, cancel)
		defer watchdog.Stop()
	}
	return stream.Recv()
}
