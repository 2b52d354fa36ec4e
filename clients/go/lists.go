package supervisor

import (
	"context"
	"iter"

	"google.golang.org/protobuf/proto"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// Jobs lists jobs, newest first, page after page as the loop goes on. The filters are those of the request.
func (c *Client) Jobs(ctx context.Context, request *pb.ListJobsRequest) iter.Seq2[*pb.Job, error] {
	request = proto.CloneOf(request)
	return pages(request.GetPageToken(), func(token string) ([]*pb.Job, string, error) {
		request.PageToken = token
		answer, err := c.ListJobs(ctx, request)
		return answer.GetJobs(), answer.GetNextPageToken(), err
	})
}

// Actors lists actors by name, page after page as the loop goes on. The filters are those of the request.
func (c *Client) Actors(ctx context.Context, request *pb.ListActorsRequest) iter.Seq2[*pb.Actor, error] {
	request = proto.CloneOf(request)
	return pages(request.GetPageToken(), func(token string) ([]*pb.Actor, string, error) {
		request.PageToken = token
		answer, err := c.ListActors(ctx, request)
		return answer.GetActors(), answer.GetNextPageToken(), err
	})
}

// Events lists past events, newest first, page after page as the loop goes on. The filters are those of the request.
func (c *Client) Events(ctx context.Context, request *pb.ListEventsRequest) iter.Seq2[*pb.Event, error] {
	request = proto.CloneOf(request)
	return pages(request.GetPageToken(), func(token string) ([]*pb.Event, string, error) {
		request.PageToken = token
		answer, err := c.ListEvents(ctx, request)
		return answer.GetEvents(), answer.GetNextPageToken(), err
	})
}

// pages gives the items of one page after the other; the last thing it gives may be an *Error.
func pages[T any](first string, fetch func(token string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for token := first; ; {
			items, next, err := fetch(token)
			if err != nil {
				var none T
				yield(none, ParseError(err))
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}

// Scale makes or removes actors of a script type until there are so many on the server's machine, and waits for it as
// long as ctx lets it, 60 seconds without a deadline. Change may set what else the request has; it can be nil.
func (c *Client) Scale(ctx context.Context, scriptType pb.ScriptType, replicas int32, change func(*pb.ScaleActorsRequest)) (*pb.ScaleActorsResponse, error) {
	request := &pb.ScaleActorsRequest{ScriptType: scriptType, Replicas: proto.Int32(replicas)}
	if change != nil {
		change(request)
	}
	answer, err := c.ScaleActors(ctx, request)
	if err != nil {
		return nil, ParseError(err)
	}
	return answer, nil
}
