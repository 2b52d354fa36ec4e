package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	request         *pb.RunJobRequest
	cancelOnWaitEnd bool
	err             error
}

// WithRequestID names the request instead of a random UUID. Whoever calls Run or Submit again with the same id and content
// within 24 hours, even from another process, gets the same job.
func WithRequestID(id string) RunOption {
	return func(r *run) { r.request.RequestId = id }
}

// WithJobID names the job instead of the server.
func WithJobID(id string) RunOption {
	return func(r *run) { r.request.JobId = id }
}

// WithInput gives the script an input, which it sees as INPUT: any value that encoding/json can write.
func WithInput(value any) RunOption {
	return func(r *run) {
		text, err := json.Marshal(value)
		if err != nil {
			r.err = fmt.Errorf("supervisor: input: %w", err)
			return
		}
		r.request.Job.Input = string(text)
	}
}

// WithUnique sets the unique key: of all jobs of the queue with this key there is one at a time. A job that was there
// before may be the answer; see UniqueKey for what becomes of the new one.
func WithUnique(key *pb.UniqueKey) RunOption {
	return WithSpec(func(job *pb.JobSpec) { job.Unique = key })
}

// WithFlowKey sets the key by which the flow rules of the queue hold for the job; without it that is the caller.
func WithFlowKey(key string) RunOption {
	return WithSpec(func(job *pb.JobSpec) { job.FlowKey = key })
}

// WithPriority sets the priority: 1 runs first, 5 last, and 3 is the default.
func WithPriority(level int32) RunOption {
	return WithSpec(func(job *pb.JobSpec) { job.Priority = &level })
}

// WithQueue names the queue: one of the script type that was created by name.
func WithQueue(queue string) RunOption {
	return WithSpec(func(job *pb.JobSpec) { job.Queue = queue })
}

// WithSpec changes what else a job has: caller, environment, labels, limits, retries, priority.
func WithSpec(change func(*pb.JobSpec)) RunOption {
	return func(r *run) { change(r.request.GetJob()) }
}

// CancelOnWaitEnd cancels the job when the context of Run ends before it, unless it was there before by its unique key. Run
// may take up to 3 seconds longer for this. Without an answer within this time the job may go on; the error says so.
// Submit does not wait for the end of a job, so it has no use for it.
func CancelOnWaitEnd() RunOption {
	return func(r *run) { r.cancelOnWaitEnd = true }
}

func newRun(scriptType pb.ScriptType, script string, options []RunOption) run {
	r := run{request: &pb.RunJobRequest{
		Job:       &pb.JobSpec{ScriptType: scriptType, Script: script},
		RequestId: newRequestID(),
	}}
	for _, option := range options {
		option(&r)
	}
	return r
}

// Run runs a script and waits for its end, however often the connection is lost or the server restarted in between;
// the job is made once. It waits as long as ctx lets it.
//
// The job that it gives has ended, which is not to say that it succeeded: see Result.
//
// When ctx ends first, the error is one for which errors.Is(err, context.DeadlineExceeded) or context.Canceled is true. Its
// reason is WAIT_OVER when the server has accepted the job, which then goes on: its id is in the metadata ("job_id"), and
// Await waits on. It is NO_SERVER when no server answered, and that of the server when it could not help. With
// CancelOnWaitEnd the job does not go on.
func (c *Client) Run(ctx context.Context, scriptType pb.ScriptType, script string, options ...RunOption) (*pb.Job, error) {
	r := newRun(scriptType, script, options)
	if r.err != nil {
		return nil, r.err
	}
	w := c.newWait("a job")
	w.requestID = r.request.GetRequestId()
	job, err := c.runToEnd(ctx, w, r)
	if over := (*Error)(nil); r.cancelOnWaitEnd && !w.existing && ctx.Err() != nil && w.tried && errors.As(err, &over) {
		return c.cancelUnawaited(ctx, w, r, over)
	}
	return job, err
}

func (c *Client) runToEnd(ctx context.Context, w *wait, r run) (*pb.Job, error) {
	var answer *pb.RunJobResponse
	err := w.outlive(ctx, func(ctx context.Context) (err error) {
		poll, call, cancel := nextPoll(ctx)
		defer cancel()
		r.request.MaxWait = poll
		answer, err = c.RunJob(call, r.request)
		return err
	})
	if err != nil {
		return nil, err
	}
	if answer.GetWaitOutcome() == pb.WaitOutcome_WAIT_OUTCOME_DONE {
		return answer.GetJob(), nil
	}
	w.jobID, w.known, w.existing = answer.GetJob().GetJobId(), true, answer.GetExisting()
	return c.await(ctx, w)
}

// Await waits for the end of a job as Run does.
func (c *Client) Await(ctx context.Context, jobID string) (*pb.Job, error) {
	w := c.newWait("job " + jobID)
	w.jobID = jobID
	return c.await(ctx, w)
}

func (c *Client) await(ctx context.Context, w *wait) (*pb.Job, error) {
	for {
		var answer *pb.AwaitJobResponse
		err := w.outlive(ctx, func(ctx context.Context) (err error) {
			poll, call, cancel := nextPoll(ctx)
			defer cancel()
			answer, err = c.AwaitJob(call, &pb.AwaitJobRequest{JobId: w.jobID, MaxWait: poll})
			return err
		})
		if err != nil {
			return nil, err
		}
		if answer.GetWaitOutcome() == pb.WaitOutcome_WAIT_OUTCOME_DONE {
			return answer.GetJob(), nil
		}
		w.known = true
	}
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

// newRequestID is a random UUID.
func newRequestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
