package supervisor

import (
	"context"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// WatchEvents follows what happens until ctx ends or the loop is left. It goes on by itself behind the last message
// when the connection is lost, the server restarted, or this reader was too slow: nothing is left out, nothing comes
// twice.
//
// Only if the server no longer keeps what came after the last message, it begins anew with a snapshot, up to a bookmark
// KIND_SNAPSHOT_END; that is how to notice it. Errors that a repeat does not cure end the loop, as an *Error.
func (c *Client) WatchEvents(ctx context.Context, request *pb.WatchEventsRequest, options ...grpc.CallOption) iter.Seq2[*pb.WatchEventsResponse, error] {
	return follow(ctx, c, "events", func() course[pb.WatchEventsResponse] {
		request := proto.CloneOf(request)
		at := newPlace(request.GetResumeAfter(), request.IncludeSnapshot)
		return course[pb.WatchEventsResponse]{
			open: func(ctx context.Context) (grpc.ServerStreamingClient[pb.WatchEventsResponse], error) {
				request.ResumeAfter, request.IncludeSnapshot = at.cursor, at.snapshot
				return c.SupervisorClient.WatchEvents(ctx, request, options...)
			},
			note:    func(message *pb.WatchEventsResponse) { at.note(message) },
			again:   at.again,
			silence: longestSilence(request.GetHeartbeatInterval().AsDuration()),
		}
	})
}

// WatchHealth follows the health of actors as WatchEvents follows events.
func (c *Client) WatchHealth(ctx context.Context, request *pb.WatchHealthRequest, options ...grpc.CallOption) iter.Seq2[*pb.WatchHealthResponse, error] {
	return follow(ctx, c, "health", func() course[pb.WatchHealthResponse] {
		request := proto.CloneOf(request)
		at := newPlace(request.GetResumeAfter(), request.IncludeSnapshot)
		return course[pb.WatchHealthResponse]{
			open: func(ctx context.Context) (grpc.ServerStreamingClient[pb.WatchHealthResponse], error) {
				request.ResumeAfter, request.IncludeSnapshot = at.cursor, at.snapshot
				return c.SupervisorClient.WatchHealth(ctx, request, options...)
			},
			note:    func(message *pb.WatchHealthResponse) { at.note(message) },
			again:   at.again,
			silence: longestSilence(request.GetHeartbeatInterval().AsDuration()),
		}
	})
}

// place is where a watch goes on.
type place struct {
	cursor   string
	snapshot *bool
	// A snapshot that breaks off is asked for again as a whole: its cursors do not say how far it came.
	inSnapshot bool
}

func newPlace(cursor string, snapshot *bool) *place {
	return &place{cursor: cursor, snapshot: snapshot, inSnapshot: cursor == "" && (snapshot == nil || *snapshot)}
}

// note takes note of a message of either watch.
func (p *place) note(message interface {
	GetCursor() string
	GetBookmark() *pb.Bookmark
}) {
	if message.GetBookmark().GetKind() == pb.Bookmark_KIND_SNAPSHOT_END {
		p.inSnapshot = false
	}
	if !p.inSnapshot && message.GetCursor() != "" {
		p.cursor, p.snapshot = message.GetCursor(), nil
	}
}

// again begins with a snapshot, since what comes next is no longer kept.
func (p *place) again() {
	p.cursor, p.snapshot, p.inSnapshot = "", proto.Bool(true), true
}
