package supervisor

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// Longest time for the cancellation of a job for whose end nobody waits any more.
const cancelLimit = 3 * time.Second

// cancelUnawaited cancels the job of a run whose wait is over. It gives the job if that has ended by itself, and else the
// error of the wait, which says whether the job was cancelled.
func (c *Client) cancelUnawaited(ctx context.Context, over *wait, r run, err *Error) (*pb.Job, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelLimit)
	defer cancel()
	var job *pb.Job
	w := c.newWait("the job")
	failure := w.outlive(ctx, func(ctx context.Context) error {
		if over.known {
			request := &pb.CancelJobRequest{JobId: over.jobID, Reason: "its caller stopped waiting"}
			answer, err := c.CancelJob(ctx, request)
			job = answer.GetJob()
			return err
		}
		// The same request finds the job if there is one. If there is none yet, the call that was broken off cannot
		// make another one later.
		r.request.MaxWait = durationpb.New(0)
		r.request.OnWaitEnd = pb.RunJobRequest_ON_WAIT_END_CANCEL
		answer, err := c.RunJob(ctx, r.request)
		job = answer.GetJob()
		return err
	})
	switch {
	case failure != nil:
		// Where nothing is known of a job, the error says so already.
		if err.Reason == ReasonWaitOver {
			err.Message += "; the job could not be cancelled: " + plain(ParseError(failure))
		}
		return nil, err
	case job.GetFinishTime() == nil:
		// It was there before, and goes on.
		return nil, err
	case job.GetState() != pb.Job_STATE_CANCELLED:
		return job, nil
	}
	err.Reason, err.Message = ReasonWaitOver, "the wait is over before the job, which was cancelled"
	err.Metadata["job_id"], err.Metadata["cancelled"] = job.GetJobId(), "true"
	return nil, err
}
