package supervisor

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// delays grows from one failure in a row to the next.
type delays struct{ failures int }

// wait sleeps as the server asked for, or a little longer than the last time. False when ctx ended first.
func (d *delays) wait(ctx context.Context, asked time.Duration) bool {
	delay := min(firstDelay<<min(d.failures, 10), lastDelay)
	d.failures++
	delay = delay/2 + rand.N(delay/2+1) // so that many clients do not come at once
	return pause(ctx, max(delay, asked))
}

// pause sleeps. False when ctx ended first.
func pause(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (d *delays) reset() { d.failures = 0 }

// lost says whether a call failed because the server or the way to it is away, so that a harmless call is repeated.
// Servers answer INTERNAL only with a reason; a connection that breaks may look like it without one. TIMED_OUT says that
// the server has lost an answer itself: what was asked may have been done.
func (e *Error) lost() bool {
	if e.Reason == "TIMED_OUT" {
		return true
	}
	return e.away() || (e.Code == codes.DeadlineExceeded && e.Reason == "")
}
