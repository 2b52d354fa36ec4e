package supervisor

import (
	"context"
	"math/rand/v2"
	"path"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// Reads may be repeated without harm, so they are. Calls that change something are repeated by Run and its like, which
// give them a request id, and by nobody else.
var reads = map[string]bool{
	"GetServerInfo":    true,
	"GetActor":         true,
	"ListActors":       true,
	"GetScriptType":    true,
	"ListScriptTypes":  true,
	"GetQueue":         true,
	"ListQueues":       true,
	"ListNodes":        true,
	"AwaitJob":         true,
	"GetJob":           true,
	"ExplainJob":       true,
	"ListJobs":         true,
	"ListEvents":       true,
	"ListIdentities":   true,
	"ListAuditEntries": true,
}

const (
	mostReadAttempts = 4
	firstReadDelay   = 200 * time.Millisecond
)

// repeatReads repeats a read up to three times while the server or the way to it is away, wherever the call has broken off:
// gRPC's own retries leave out a call whose answer has begun.
func repeatReads(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	for attempt := 1; ; attempt++ {
		err := call(ctx, method, request, answer, connection, options...)
		if err == nil || attempt == mostReadAttempts || !reads[path.Base(method)] {
			return err
		}
		told := ParseError(err)
		if !told.away() || !pause(ctx, max(readDelay(attempt), told.RetryAfter)) {
			return err
		}
	}
}

// readDelay is that behind an attempt: 0.2 s, 0.4 s and 0.8 s, or up to twice as long, so that many clients do not come at
// once.
func readDelay(attempt int) time.Duration {
	delay := firstReadDelay << (attempt - 1)
	return delay + rand.N(delay)
}

// away says whether a call failed because the server or the way to it is away. A way that breaks may look like CANCELLED,
// INTERNAL or UNKNOWN; what a server itself says of this kind has a reason.
func (e *Error) away() bool {
	switch e.Code {
	case codes.Unavailable:
		return true
	case codes.Canceled, codes.Internal, codes.Unknown:
		return e.Reason == ""
	default:
		return false
	}
}
