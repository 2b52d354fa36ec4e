package supervisor

import (
	"context"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// ActorLogs reads what an actor wrote, oldest first: the last 100 lines unless the request says more. With Follow it goes on
// with new lines until ctx ends, through lost connections and restarts of the server. Lines that a slow reader misses are
// left out; StreamActorLogs counts them.
func (c *Client) ActorLogs(ctx context.Context, request *pb.StreamActorLogsRequest) iter.Seq2[*pb.LogEntry, error] {
	parts := follow(ctx, c, "actor "+request.GetActorId(), func() course[pb.StreamActorLogsResponse] {
		request := proto.CloneOf(request)
		return course[pb.StreamActorLogsResponse]{
			open: func(ctx context.Context) (grpc.ServerStreamingClient[pb.StreamActorLogsResponse], error) {
				return c.StreamActorLogs(ctx, request)
			},
			note: func(message *pb.StreamActorLogsResponse) {
				if cursor := message.GetCursor(); cursor != "" {
					request.ResumeAfter = cursor
				}
			},
			done: func() bool { return !request.GetFollow() },
		}
	})
	return entries(parts, (*pb.StreamActorLogsResponse).GetEntries)
}

// watchJob follows one job to its end.
func (c *Client) watchJob(ctx context.Context, request *pb.WatchJobRequest) iter.Seq2[*pb.WatchJobResponse, error] {
	return follow(ctx, c, "job "+request.GetJobId(), func() course[pb.WatchJobResponse] {
		request, ended := proto.CloneOf(request), false
		return course[pb.WatchJobResponse]{
			open: func(ctx context.Context) (grpc.ServerStreamingClient[pb.WatchJobResponse], error) {
				return c.WatchJob(ctx, request)
			},
			note: func(message *pb.WatchJobResponse) {
				if cursor := message.GetCursor(); cursor != "" {
					request.ResumeAfter = cursor
				}
				ended = hasEnded(message.GetJob())
			},
			done:    func() bool { return ended },
			silence: longestSilence(request.GetHeartbeatInterval().AsDuration()),
		}
	})
}

// hasEnded says whether a job is in a terminal state.
func hasEnded(job *pb.Job) bool {
	switch job.GetState() {
	case pb.Job_STATE_SUCCEEDED, pb.Job_STATE_FAILED, pb.Job_STATE_CANCELLED:
		return true
	default:
		return false
	}
}

// entries gives the lines of messages that hold some.
func entries[M any](parts iter.Seq2[M, error], of func(M) []*pb.LogEntry) iter.Seq2[*pb.LogEntry, error] {
	return func(yield func(*pb.LogEntry, error) bool) {
		for part, err := range parts {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, entry := range of(part) {
				if !yield(entry, nil) {
					return
				}
			}
		}
	}
}
