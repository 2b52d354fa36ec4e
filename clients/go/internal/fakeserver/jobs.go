package fakeserver

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

var (
	arithmetic = regexp.MustCompile(`(\d+) ([+*]) (\d+)$`)
	printed    = regexp.MustCompile(`print\("(.*?)"\)`)
)

// Refused is an error as a supervisor makes it.
func Refused(code codes.Code, reason, message string, metadata map[string]string) error {
	told, err := status.New(code, message).WithDetails(
		&errdetails.ErrorInfo{Domain: "supervisor.hero", Reason: reason, Metadata: metadata})
	if err != nil {
		return err
	}
	return told.Err()
}

// accept keeps a job; script "wait" makes one that does not end by itself, "refuse" is refused.
func (s *Server) accept(request *pb.SubmitJobRequest) (*pb.Job, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	script := request.GetJob().GetScript()
	if script == "refuse" {
		return nil, Refused(codes.ResourceExhausted, "QUEUE_FULL", "the queue is full", nil)
	}
	if known := s.byName[request.GetRequestId()]; known != "" {
		return s.jobs[known], nil
	}
	id := request.GetJobId()
	if id == "" {
		id = fmt.Sprintf("job-%d", len(s.jobs)+1)
	}
	job := &pb.Job{JobId: id, Spec: request.GetJob(), State: pb.Job_STATE_QUEUED}
	if script != "wait" {
		job.State, job.Result = pb.Job_STATE_SUCCEEDED, proto.String(value(script))
	}
	s.jobs[id], s.byName[request.GetRequestId()] = job, id
	s.order = append(s.order, id)
	return job, nil
}

func value(script string) string {
	found := arithmetic.FindStringSubmatch(script)
	if found == nil {
		return ""
	}
	a, _ := strconv.Atoi(found[1])
	b, _ := strconv.Atoi(found[3])
	if found[2] == "*" {
		return strconv.Itoa(a * b)
	}
	return strconv.Itoa(a + b)
}

func (s *Server) find(id string) (*pb.Job, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	job := s.jobs[id]
	if job == nil {
		return nil, Refused(codes.NotFound, "JOB_NOT_FOUND", "there is no job "+id, map[string]string{"job_id": id})
	}
	return proto.CloneOf(job), nil
}

// SubmitJob keeps a job.
func (s *Server) SubmitJob(_ context.Context, request *pb.SubmitJobRequest) (*pb.SubmitJobResponse, error) {
	if err := s.count("SubmitJob"); err != nil {
		return nil, err
	}
	job, err := s.accept(request)
	return &pb.SubmitJobResponse{Job: job}, err
}

// SubmitJobs keeps many jobs.
func (s *Server) SubmitJobs(_ context.Context, request *pb.SubmitJobsRequest) (*pb.SubmitJobsResponse, error) {
	if err := s.count("SubmitJobs"); err != nil {
		return nil, err
	}
	answer := &pb.SubmitJobsResponse{}
	for _, one := range request.GetRequests() {
		job, err := s.accept(one)
		result := &pb.SubmitJobResult{Job: job}
		if err != nil {
			result.Error = &pb.ItemError{
				Code: int32(status.Code(err)), Reason: "QUEUE_FULL", Message: status.Convert(err).Message(),
				FieldViolations: []*pb.FieldViolation{{Field: "job.script", Description: "says refuse"}},
			}
		}
		answer.Results = append(answer.Results, result)
	}
	return answer, nil
}

// RunJob keeps a job and answers at once.
func (s *Server) RunJob(_ context.Context, request *pb.RunJobRequest) (*pb.RunJobResponse, error) {
	if err := s.count("RunJob"); err != nil {
		return nil, err
	}
	job, err := s.accept(&pb.SubmitJobRequest{Job: request.GetJob(), JobId: request.GetJobId(), RequestId: request.GetRequestId()})
	return &pb.RunJobResponse{Job: job, WaitOutcome: outcome(job)}, err
}

// AwaitJob waits until its caller gives up, or the job has ended.
func (s *Server) AwaitJob(ctx context.Context, request *pb.AwaitJobRequest) (*pb.AwaitJobResponse, error) {
	if err := s.count("AwaitJob"); err != nil {
		return nil, err
	}
	job, err := s.find(request.GetJobId())
	if err != nil {
		return nil, err
	}
	if outcome(job) != pb.WaitOutcome_WAIT_OUTCOME_DONE {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return &pb.AwaitJobResponse{Job: job, WaitOutcome: outcome(job)}, nil
}

func outcome(job *pb.Job) pb.WaitOutcome {
	if job.GetState() == pb.Job_STATE_QUEUED {
		return pb.WaitOutcome_WAIT_OUTCOME_TIMED_OUT
	}
	return pb.WaitOutcome_WAIT_OUTCOME_DONE
}

// GetJob reads a job.
func (s *Server) GetJob(_ context.Context, request *pb.GetJobRequest) (*pb.GetJobResponse, error) {
	job, err := s.find(request.GetJobId())
	return &pb.GetJobResponse{Job: job}, err
}

// CancelJob cancels a job.
func (s *Server) CancelJob(_ context.Context, request *pb.CancelJobRequest) (*pb.CancelJobResponse, error) {
	if err := s.count("CancelJob"); err != nil {
		return nil, err
	}
	if _, err := s.find(request.GetJobId()); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	job := s.jobs[request.GetJobId()]
	changed := job.GetState() == pb.Job_STATE_QUEUED
	if changed {
		job.State, job.CancelReason = pb.Job_STATE_CANCELLED, request.GetReason()
	}
	return &pb.CancelJobResponse{Job: proto.CloneOf(job), Changed: changed}, nil
}

// ListJobs lists the jobs of a caller, newest first, in pages of two with an empty one at the beginning.
func (s *Server) ListJobs(_ context.Context, request *pb.ListJobsRequest) (*pb.ListJobsResponse, error) {
	if err := s.count("ListJobs"); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if request.GetPageToken() == "" {
		return &pb.ListJobsResponse{NextPageToken: "0"}, nil
	}
	var found []*pb.Job
	for _, id := range slices.Backward(s.order) {
		if job := s.jobs[id]; job.GetSpec().GetCallerId() == request.GetCallerId() {
			found = append(found, job)
		}
	}
	from, _ := strconv.Atoi(request.GetPageToken())
	answer := &pb.ListJobsResponse{Jobs: found[from:min(from+2, len(found))]}
	if from+2 < len(found) {
		answer.NextPageToken = strconv.Itoa(from + 2)
	}
	return answer, nil
}

// WatchJob sends the job, its lines with a lost connection after the first one, and the job again.
func (s *Server) WatchJob(request *pb.WatchJobRequest, stream grpc.ServerStreamingServer[pb.WatchJobResponse]) error {
	if err := s.count("WatchJob"); err != nil {
		return err
	}
	job, err := s.find(request.GetJobId())
	if err != nil {
		return err
	}
	_ = stream.Send(&pb.WatchJobResponse{Cursor: request.GetResumeAfter(), Item: &pb.WatchJobResponse_Job{Job: &pb.Job{JobId: job.GetJobId(), State: pb.Job_STATE_RUNNING}}})
	from, _ := strconv.Atoi(request.GetResumeAfter())
	for i, line := range printed.FindAllStringSubmatch(job.GetSpec().GetScript(), -1) {
		if i < from {
			continue
		}
		_ = stream.Send(&pb.WatchJobResponse{
			Cursor: strconv.Itoa(i + 1),
			Item: &pb.WatchJobResponse_LogEntries{LogEntries: &pb.LogEntries{
				Entries: []*pb.LogEntry{{Text: line[1]}},
			}},
		})
		if from == 0 {
			return status.Error(codes.Unavailable, "the connection broke off")
		}
	}
	return stream.Send(&pb.WatchJobResponse{Item: &pb.WatchJobResponse_Job{Job: job}})
}
