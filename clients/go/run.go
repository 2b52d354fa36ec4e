package supervisor

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

const (
	// Longest wait of one call; then the next one is made.
	pollTime = 60 * time.Second
	// What a call may take beyond its wait before it counts as lost.
	callMargin = 10 * time.Second
)

// RunOption says more about a job than its script.
type RunOption func(*run)

type run struct {
	request *pb.RunJobRequest
}

// WithRequestID names the request instead of a random UUID. Whoever calls Run again with the same id and content
// within 24 hours, even from another process, gets the same job.
func WithRequestID(id string) RunOption {
	return func(r *run) { r.request.RequestId = id }
}

// WithJobID names the job instead of the server.
func WithJobID(id string) RunOption {
	return func(r *run) { r.request.JobId = id }
}

// WithSpec changes what else a job has: caller, environment, labels, limits, retries.
func WithSpec(change func(*pb.JobSpec)) RunOption {
	return func(r *run) { change(r.request.GetJob()) }
}

// Run runs a script and waits for its end, however often the connection is lost or the server restarted in between;
// the job is made once. It waits as long as ctx lets it.
//
// The job that it gives has ended, which is not to say that it succeeded: see Result. When ctx ends first, the error
// is DEADLINE_EXCEEDED or CANCELED with the job's id in its metadata ("job_id", if it was made) and the job goes on:
// Await it, or cancel it with CancelJob.
func (c *Client) Run(ctx context.Context, scriptType pb.ScriptType, script string, options ...RunOption) (*pb.Job, error) {
	r := run{&pb.RunJobRequest{
		Job:       &pb.JobSpec{ScriptType: scriptType, Script: script},
		RequestId: newRequestID(),
	}}
	for _, option := range options {
		option(&r)
	}
	jobID := ""
	var delays delays
	for ctx.Err() == nil {
		poll, call, cancel := nextPoll(ctx)
		r.request.MaxWait = poll
		answer, err := c.RunJob(call, r.request)
		cancel()
		if err == nil {
			if answer.GetWaitOutcome() == pb.WaitOutcome_WAIT_OUTCOME_DONE {
				return answer.GetJob(), nil
			}
			return c.await(ctx, answer.GetJob().GetJobId(), r.request.GetRequestId())
		}
		told := ParseError(err)
		if id := told.Metadata["job_id"]; id != "" && told.lost() {
			jobID = id
		}
		if ctx.Err() == nil && !told.lost() {
			return nil, told
		}
		if !delays.wait(ctx, told.RetryAfter) {
			break
		}
	}
	return nil, over(ctx, jobID, r.request.GetRequestId())
}

// Await waits for the end of a job as Run does.
func (c *Client) Await(ctx context.Context, jobID string) (*pb.Job, error) {
	return c.await(ctx, jobID, "")
}

func (c *Client) await(ctx context.Context, jobID, requestID string) (*pb.Job, error) {
	var delays delays
	for ctx.Err() == nil {
		poll, call, cancel := nextPoll(ctx)
		answer, err := c.AwaitJob(call, &pb.AwaitJobRequest{JobId: jobID, MaxWait: poll})
		cancel()
		if err == nil {
			if answer.GetWaitOutcome() == pb.WaitOutcome_WAIT_OUTCOME_DONE {
				return answer.GetJob(), nil
			}
			delays.reset()
			continue
		}
		told := ParseError(err)
		if ctx.Err() == nil && !told.lost() {
			return nil, told
		}
		if !delays.wait(ctx, told.RetryAfter) {
			break
		}
	}
	return nil, over(ctx, jobID, requestID)
}

// nextPoll is how long the next call waits, and the context that ends it if it is lost.
func nextPoll(ctx context.Context) (*durationpb.Duration, context.Context, context.CancelFunc) {
	poll := pollTime
	if deadline, limited := ctx.Deadline(); limited {
		poll = max(min(poll, time.Until(deadline)), 0)
	}
	call, cancel := context.WithTimeout(ctx, poll+callMargin)
	return durationpb.New(poll), call, cancel
}

func over(ctx context.Context, jobID, requestID string) *Error {
	metadata := make(map[string]string)
	if jobID != "" {
		metadata["job_id"] = jobID
	}
	if requestID != "" {
		metadata["request_id"] = requestID
	}
	code, message := codes.DeadlineExceeded, "the wait is over before the job; it goes on, await it by its id"
	if ctx.Err() == context.Canceled {
		code, message = codes.Canceled, "the wait was given up; the job goes on, await it by its id"
	}
	return &Error{Code: code, Reason: "WAIT_OVER", Message: message, Metadata: metadata, cause: status.Error(code, message)}
}

// newRequestID is a random UUID.
func newRequestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
