package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

const (
	// Most that the server takes at once; see Limits.
	maxBatchJobs = 1000
	// A message has at most 4 MiB, so this leaves room for one more job of the largest size.
	maxBatchBytes = 2 << 20
)

// The script types, under short names.
const (
	OSIS   = pb.ScriptType_SCRIPT_TYPE_OSIS
	SAL    = pb.ScriptType_SCRIPT_TYPE_SAL
	V      = pb.ScriptType_SCRIPT_TYPE_V
	Python = pb.ScriptType_SCRIPT_TYPE_PYTHON
)

// Submit hands a job to the server and does not wait for its end: that is what its handle is for. It repeats its call
// through lost connections as Run does, and the job is made once; errors are those of Run.
func (c *Client) Submit(ctx context.Context, scriptType pb.ScriptType, script string, options ...RunOption) (*Handle, error) {
	made := newRun(scriptType, script, options)
	if made.err != nil {
		return nil, made.err
	}
	r := made.request
	w := c.newWait("a job")
	w.requestID = r.GetRequestId()
	request := &pb.SubmitJobRequest{Job: r.GetJob(), JobId: r.GetJobId(), RequestId: r.GetRequestId()}
	var answer *pb.SubmitJobResponse
	err := w.outlive(ctx, func(ctx context.Context) (err error) {
		call, cancel := context.WithTimeout(ctx, callMargin)
		defer cancel()
		answer, err = c.SubmitJob(call, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.Handle(answer.GetJob().GetJobId()), nil
}

// Submitted is what became of one job of SubmitMany: the handle, or why it was refused.
type Submitted struct {
	// Handle of the job; nil if it was refused.
	Handle *Handle
	// Err is an *Error if the job was refused.
	Err error
}

// SubmitMany hands many jobs to the server, as many at a time as it takes, and gives one result for each, in their order.
// Good ones are accepted whatever the others are. A request without a request id gets one.
//
// The error is that of the first call which failed. The jobs of such a call have its error in their results, with their
// request_id in its metadata: a repeat with that id makes the job once. Handles of other jobs are there all the same.
func (c *Client) SubmitMany(ctx context.Context, requests ...*pb.SubmitJobRequest) ([]Submitted, error) {
	results := make([]Submitted, 0, len(requests))
	var failure error
	for len(requests) > 0 {
		var batch []*pb.SubmitJobRequest
		for size := 0; len(requests) > 0 && len(batch) < maxBatchJobs; requests = requests[1:] {
			next := proto.CloneOf(requests[0])
			if next.GetRequestId() == "" {
				next.RequestId = newRequestID()
			}
			size += proto.Size(next)
			if len(batch) > 0 && size > maxBatchBytes {
				break
			}
			batch = append(batch, next)
		}
		done, err := c.submitBatch(ctx, batch)
		if err != nil {
			failure = cmp.Or(failure, err)
			done = unsubmitted(batch, ParseError(err))
		}
		results = append(results, done...)
	}
	return results, failure
}

func (c *Client) submitBatch(ctx context.Context, batch []*pb.SubmitJobRequest) ([]Submitted, error) {
	w := c.newWait(fmt.Sprintf("%d jobs", len(batch)))
	var answer *pb.SubmitJobsResponse
	err := w.outlive(ctx, func(ctx context.Context) (err error) {
		call, cancel := context.WithTimeout(ctx, callMargin)
		defer cancel()
		answer, err = c.SubmitJobs(call, &pb.SubmitJobsRequest{Requests: batch})
		return err
	})
	if err != nil {
		return nil, err
	}
	results := make([]Submitted, len(answer.GetResults()))
	for i, result := range answer.GetResults() {
		if refused := result.GetError(); refused != nil {
			results[i].Err = itemError(refused)
		} else {
			results[i].Handle = c.Handle(result.GetJob().GetJobId())
		}
	}
	return results, nil
}

// unsubmitted are the results of jobs whose call failed; they may be there.
func unsubmitted(batch []*pb.SubmitJobRequest, err *Error) []Submitted {
	results := make([]Submitted, len(batch))
	for i, request := range batch {
		each := *err
		each.Metadata = make(map[string]string)
		maps.Copy(each.Metadata, err.Metadata)
		each.Metadata["request_id"] = request.GetRequestId()
		results[i].Err = &each
	}
	return results
}

// itemError is the error of one item of many.
func itemError(refused *pb.ItemError) *Error {
	e := &Error{
		Code: codes.Code(refused.GetCode()), Reason: refused.GetReason(),
		Message: refused.GetMessage(), Metadata: refused.GetMetadata(),
	}
	if violations := refused.GetFieldViolations(); len(violations) > 0 {
		e.Fields = make(map[string]string, len(violations))
		for _, violation := range violations {
			e.Fields[violation.GetField()] = violation.GetDescription()
		}
	}
	return e
}

// Cancel cancels a job, waiting or running, and gives it as it is then; its State says whether it had ended otherwise. To
// cancel twice does no harm, so the call is repeated through lost connections until ctx ends.
func (c *Client) Cancel(ctx context.Context, jobID, reason string) (*pb.Job, error) {
	w := c.newWait("job " + jobID)
	w.jobID = jobID
	var answer *pb.CancelJobResponse
	err := w.outlive(ctx, func(ctx context.Context) (err error) {
		call, cancel := context.WithTimeout(ctx, callMargin)
		defer cancel()
		answer, err = c.CancelJob(call, &pb.CancelJobRequest{JobId: jobID, Reason: reason})
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer.GetJob(), nil
}
