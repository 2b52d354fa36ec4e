package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	// ReasonNoServer is the reason of an Error when no server answered, so that nothing is known of a job.
	ReasonNoServer = "NO_SERVER"
	// ReasonWaitOver is the reason of an Error when the context ended before the job did; the job goes on.
	ReasonWaitOver = "WAIT_OVER"

	// So many failures in a row are logged, and then one a logInterval.
	loggedFailures = 3
	logInterval    = time.Minute
)

// wait is the wait of one caller, which outlives lost connections and restarts of the server.
type wait struct {
	client    *Client
	began     time.Time
	subject   string // of whom nothing is known without an answer: "a job", "job 17"
	jobID     string
	requestID string
	known     bool   // whether a server has said that there is the job
	existing  bool   // whether the job was there before, by its unique key
	answered  bool   // whether a server has answered since the wait began
	tried     bool   // whether a call was made
	last      *Error // what went wrong last
	delays    delays
	logged    time.Time
}

func (c *Client) newWait(subject string) *wait {
	return &wait{client: c, began: time.Now(), subject: subject}
}

// outlive repeats a call that is harmless to repeat until it succeeds, fails in a way that a repeat does not cure, or
// ctx ends.
func (w *wait) outlive(ctx context.Context, call func(context.Context) error) error {
	for ctx.Err() == nil {
		w.tried = true
		err := call(ctx)
		if err == nil {
			w.succeeded()
			return nil
		}
		told := ParseError(err)
		if ctx.Err() == nil && !told.lost() {
			return told
		}
		if failure := w.lost(ctx, told); failure != nil {
			return failure
		}
		if !w.delays.wait(ctx, told.RetryAfter) {
			break
		}
	}
	return w.over(ctx)
}

func (w *wait) succeeded() {
	w.answered, w.last = true, nil
	w.delays.reset()
}

// lost takes note of a failure after which the call is repeated. It gives an error when the caller does not want that.
func (w *wait) lost(ctx context.Context, told *Error) error {
	// The end of a call's own time says less than what went wrong before.
	if w.last == nil || !told.ownEnd() {
		w.last = told
	}
	if told.Reason != "" {
		w.answered = true
		if id := told.Metadata["job_id"]; id != "" {
			w.jobID, w.known = id, told.Reason != "TIMED_OUT"
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if w.client.settings.failFast && !w.answered {
		message := fmt.Sprintf("no server answers at %s: %s; nothing is known of %s", w.client.address, plain(w.last), w.subject)
		return &Error{Code: codes.Unavailable, Reason: ReasonNoServer, Message: message, Metadata: w.metadata(), cause: w.last}
	}
	if w.delays.failures+1 >= loggedFailures && (w.logged.IsZero() || time.Since(w.logged) >= logInterval) {
		w.logged = time.Now()
		w.client.settings.logger().WarnContext(ctx, "supervisor: no answer, the call is repeated",
			"address", w.client.address, "error", plain(w.last), "failures", w.delays.failures+1)
	}
	return nil
}

// over is the error of a wait that ended with its context.
func (w *wait) over(ctx context.Context) *Error {
	e := &Error{Code: codes.DeadlineExceeded, Metadata: w.metadata(), ended: errors.Join(ctx.Err(), context.Cause(ctx))}
	givenUp := errors.Is(ctx.Err(), context.Canceled)
	if givenUp {
		e.Code = codes.Canceled
	}
	e.Reason, e.Message = w.outcome(ctx, givenUp)
	if w.last == nil {
		return e
	}
	e.cause = w.last
	if e.Reason == w.last.Reason {
		e.RetryAfter = w.last.RetryAfter
		maps.Copy(e.Metadata, w.last.Metadata)
	}
	return e
}

// outcome is the reason and the message of a wait that ended with its context.
func (w *wait) outcome(ctx context.Context, givenUp bool) (reason, message string) {
	nothing := "nothing is known of " + w.subject
	where, within := w.client.address, w.time(ctx)
	why := ""
	if w.last != nil && !w.last.ownEnd() {
		why = plain(w.last)
	}
	switch {
	case w.known:
		message = "the wait is over before the job; it goes on, await it by its id"
		if givenUp {
			message = "the wait was given up; the job goes on, await it by its id"
		}
		if why != "" {
			message += " (the last call failed: " + why + ")"
		}
		return ReasonWaitOver, message
	case !w.tried:
		return ReasonWaitOver, "the wait was over before a call was made; " + nothing
	case w.last != nil && w.last.Reason != "":
		return w.last.Reason, fmt.Sprintf("the server at %s could not help within %s: %s; %s", where, within, why, nothing)
	case givenUp && why == "":
		return ReasonWaitOver, fmt.Sprintf("the wait was given up before the server at %s answered; %s", where, nothing)
	case why == "":
		return ReasonNoServer, fmt.Sprintf("no server answered at %s within %s; %s", where, within, nothing)
	default:
		return ReasonNoServer, fmt.Sprintf("no server answered at %s within %s: %s; %s", where, within, why, nothing)
	}
}

func (w *wait) metadata() map[string]string {
	metadata := make(map[string]string)
	if w.jobID != "" {
		metadata["job_id"] = w.jobID
	}
	if w.requestID != "" {
		metadata["request_id"] = w.requestID
	}
	return metadata
}

// time is how long the wait was, for people: as long as the context let it, or until it was given up.
func (w *wait) time(ctx context.Context) string {
	end := time.Now()
	if deadline, limited := ctx.Deadline(); limited && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		end = deadline
	}
	waited := max(end.Sub(w.began), 0)
	if waited < time.Second {
		return fmt.Sprintf("%d ms", waited.Round(time.Millisecond).Milliseconds())
	}
	return fmt.Sprintf("%g s", waited.Round(100*time.Millisecond).Seconds())
}

// ownEnd says whether a call failed because its own time was over, which says nothing of the server.
func (e *Error) ownEnd() bool {
	return e.Reason == "" && (e.Code == codes.DeadlineExceeded || e.Code == codes.Canceled)
}

// plain is the message of an error without what gRPC wraps around that of the system.
func plain(e *Error) string {
	message := e.Message
	if at := strings.LastIndex(message, `desc = "`); at >= 0 {
		if inner, err := strconv.Unquote(message[at+len("desc = "):]); err == nil {
			message = inner
		}
	}
	return strings.TrimPrefix(message, "transport: Error while dialing: ")
}
