package supervisor

import (
	"context"
	"iter"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// Handle is one job on the server. It holds no connection, so it outlives lost ones and restarts of the server; a program
// that knows the id of a job makes another one with Client.Handle. Its methods may be called from many goroutines.
type Handle struct {
	client *Client
	jobID  string
}

// Handle is the handle of a job that is there already. The server is not asked.
func (c *Client) Handle(jobID string) *Handle { return &Handle{client: c, jobID: jobID} }

// JobID is the id of the job.
func (h *Handle) JobID() string { return h.jobID }

// Result waits for the end of the job and gives its result. The error is a *JobFailed if it has none, and an *Error if the
// wait failed; see Client.Run for what becomes of the job then.
func (h *Handle) Result(ctx context.Context) (string, error) {
	job, err := h.Wait(ctx)
	if err != nil {
		return "", err
	}
	return Result(job)
}

// Wait waits for the end of the job, however it ends.
func (h *Handle) Wait(ctx context.Context) (*pb.Job, error) { return h.client.Await(ctx, h.jobID) }

// Get reads the job as it is now.
func (h *Handle) Get(ctx context.Context) (*pb.Job, error) {
	answer, err := h.client.GetJob(ctx, &pb.GetJobRequest{JobId: h.jobID})
	if err != nil {
		return nil, ParseError(err)
	}
	return answer.GetJob(), nil
}

// Cancel cancels the job; see Client.Cancel.
func (h *Handle) Cancel(ctx context.Context, reason string) (*pb.Job, error) {
	return h.client.Cancel(ctx, h.jobID, reason)
}

// Watch follows the job to its end: the job as it is, its changes, its progress and its lines, and the job once more at
// its end. It goes on by itself behind the last message when the connection is lost or the server restarted; the job as
// it is may come again then.
func (h *Handle) Watch(ctx context.Context) iter.Seq2[*pb.WatchJobResponse, error] {
	return h.client.watchJob(ctx, &pb.WatchJobRequest{JobId: h.jobID, IncludeLogs: true})
}

// Logs gives the lines that the script writes, until the job ends. Lines that a slow reader misses are left out; Watch
// counts them.
func (h *Handle) Logs(ctx context.Context) iter.Seq2[*pb.LogEntry, error] {
	return entries(h.Watch(ctx), func(message *pb.WatchJobResponse) []*pb.LogEntry {
		return message.GetLogEntries().GetEntries()
	})
}
