package supervisor

import (
	"context"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

const (
	// What the server keeps to if it is not asked for something else.
	defaultHeartbeat = 15 * time.Second
	// A watch that is silent for so many heartbeats has lost its server.
	silentHeartbeats = 3
)

// WatchEvents follows what happens until ctx ends or the loop is left. It goes on by itself behind the last message
// when the connection is lost, the server restarted, or this reader was too slow: nothing is left out, nothing comes
// twice.
//
// Only if the server no longer keeps what came after the last message, it begins anew with a snapshot, up to a bookmark
// KIND_SNAPSHOT_END; that is how to notice it. Errors that a repeat does not cure end the loop, as an *Error.
func (c *Client) WatchEvents(ctx context.Context, request *pb.WatchEventsRequest, options ...grpc.CallOption) iter.Seq2[*pb.WatchEventsResponse, error] {
	request = proto.CloneOf(request)
	return follow(ctx, place{cursor: request.GetResumeAfter(), snapshot: request.IncludeSnapshot},
		request.GetHeartbeatInterval().AsDuration(),
		func(ctx context.Context, at place) (grpc.ServerStreamingClient[pb.WatchEventsResponse], error) {
			request.ResumeAfter, request.IncludeSnapshot = at.cursor, at.snapshot
			return c.SupervisorClient.WatchEvents(ctx, request, options...)
		})
}

// WatchHealth follows the health of actors as WatchEvents follows events.
func (c *Client) WatchHealth(ctx context.Context, request *pb.WatchHealthRequest, options ...grpc.CallOption) iter.Seq2[*pb.WatchHealthResponse, error] {
	request = proto.CloneOf(request)
	return follow(ctx, place{cursor: request.GetResumeAfter(), snapshot: request.IncludeSnapshot},
		request.GetHeartbeatInterval().AsDuration(),
		func(ctx context.Context, at place) (grpc.ServerStreamingClient[pb.WatchHealthResponse], error) {
			request.ResumeAfter, request.IncludeSnapshot = at.cursor, at.snapshot
			return c.SupervisorClient.WatchHealth(ctx, request, options...)
		})
}

// place is where a watch begins.
type place struct {
	cursor   string
	snapshot *bool
}

// item is a message of either watch.
type item interface {
	GetCursor() string
	GetBookmark() *pb.Bookmark
}

func follow[T any, M interface {
	*T
	item
}](ctx context.Context, begin place, heartbeat time.Duration, open func(context.Context, place) (grpc.ServerStreamingClient[T], error)) iter.Seq2[M, error] {
	if heartbeat == 0 {
		heartbeat = defaultHeartbeat
	}
	return func(yield func(M, error) bool) {
		var delays delays
		at := begin
		// A snapshot that breaks off is asked for again as a whole: its cursors do not say how far it came.
		inSnapshot := begin.cursor == "" && (begin.snapshot == nil || *begin.snapshot)
		for ctx.Err() == nil {
			left := false
			err := one(ctx, at, silentHeartbeats*heartbeat, open, func(received *T) bool {
				message := M(received)
				delays.reset()
				kind := message.GetBookmark().GetKind()
				if kind == pb.Bookmark_KIND_SNAPSHOT_END {
					inSnapshot = false
				}
				if !inSnapshot && message.GetCursor() != "" {
					at = place{cursor: message.GetCursor()}
				}
				left = !yield(message, nil)
				return !left
			})
			if left {
				return
			}
			told := ParseError(err)
			switch {
			case ctx.Err() != nil:
			case told == nil || told.lost() || told.Reason == "CONSUMER_TOO_SLOW":
			case told.Code == codes.OutOfRange:
				at, inSnapshot = place{snapshot: proto.Bool(true)}, true
			default:
				yield(nil, told)
				return
			}
			asked := time.Duration(0)
			if told != nil {
				asked = told.RetryAfter
			}
			delays.wait(ctx, asked)
		}
		yield(nil, ParseError(grpcError(ctx.Err())))
	}
}

// one reads one stream to its end, and ends it when it is silent for too long.
func one[T any](ctx context.Context, at place, silence time.Duration, open func(context.Context, place) (grpc.ServerStreamingClient[T], error), each func(*T) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx, at)
	if err != nil {
		return err
	}
	for {
		watchdog := time.AfterFunc(silence, cancel)
		message, err := stream.Recv()
		watchdog.Stop()
		if err == io.EOF {
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
