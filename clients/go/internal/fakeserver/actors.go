package fakeserver

import (
	"context"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// Lines is how many lines each actor has written.
const Lines = 5

// ListActors lists three actors on three pages.
func (s *Server) ListActors(_ context.Context, request *pb.ListActorsRequest) (*pb.ListActorsResponse, error) {
	page, _ := strconv.Atoi(request.GetPageToken())
	answer := &pb.ListActorsResponse{Actors: []*pb.Actor{{ActorId: "actor_" + strconv.Itoa(page)}}}
	if page < 2 {
		answer.NextPageToken = strconv.Itoa(page + 1)
	}
	return answer, nil
}

// ListEvents lists two events on two pages.
func (s *Server) ListEvents(_ context.Context, request *pb.ListEventsRequest) (*pb.ListEventsResponse, error) {
	if request.GetPageToken() == "" {
		return &pb.ListEventsResponse{Events: []*pb.Event{{Message: "two"}}, NextPageToken: "1"}, nil
	}
	return &pb.ListEventsResponse{Events: []*pb.Event{{Message: "one"}}}, nil
}

// ScaleActors refuses more than ten.
func (s *Server) ScaleActors(_ context.Context, request *pb.ScaleActorsRequest) (*pb.ScaleActorsResponse, error) {
	if request.GetReplicas() > 10 {
		return nil, Refused(codes.FailedPrecondition, "AUTOSCALING_ACTIVE", "scaling is automatic", nil)
	}
	answer := &pb.ScaleActorsResponse{WaitOutcome: pb.WaitOutcome_WAIT_OUTCOME_DONE}
	for number := range request.GetReplicas() {
		answer.AddedActorIds = append(answer.AddedActorIds, "actor_"+strconv.Itoa(int(number)))
	}
	return answer, nil
}

// StreamActorLogs sends two lines at a time and breaks off after each two; without Follow it ends after the last one.
func (s *Server) StreamActorLogs(request *pb.StreamActorLogsRequest, stream grpc.ServerStreamingServer[pb.StreamActorLogsResponse]) error {
	if err := s.count("StreamActorLogs"); err != nil {
		return err
	}
	from, _ := strconv.Atoi(request.GetResumeAfter())
	upTo := min(from+2, Lines)
	answer := &pb.StreamActorLogsResponse{Cursor: strconv.Itoa(upTo)}
	for number := from; number < upTo; number++ {
		answer.Entries = append(answer.Entries, &pb.LogEntry{Text: "line " + strconv.Itoa(number)})
	}
	if err := stream.Send(answer); err != nil {
		return err
	}
	if upTo < Lines {
		return status.Error(codes.Unavailable, "the connection broke off")
	}
	if request.GetFollow() {
		<-stream.Context().Done()
	}
	return nil
}
