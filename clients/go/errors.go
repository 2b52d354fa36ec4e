package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// ErrorDomain is the domain of every google.rpc.ErrorInfo of a supervisor.
const ErrorDomain = "supervisor.hero"

// Errors of access, for errors.Is. Calls that end with one of them are never repeated, and streams not resumed.
var (
	// ErrUnauthenticated says that the server does not know who is calling: the token or the certificate is missing,
	// unknown, expired or revoked.
	ErrUnauthenticated = errors.New("the server does not know who is calling")
	// ErrPermissionDenied says that the caller may not do this.
	ErrPermissionDenied = errors.New("the caller may not do this")
)

// Error is what a call of a supervisor failed with, made readable for programs.
type Error struct {
	// Code of gRPC; decide by it when you do not know the reason.
	Code codes.Code
	// Reason is the name of an ErrorReason without its prefix, for instance "JOB_NOT_FOUND". Of waits it can be NO_SERVER or
	// WAIT_OVER, too. Empty if the error does not come from a supervisor, for instance because nobody listens.
	Reason string
	// Message is for people.
	Message string
	// Metadata holds the variable parts of the message.
	Metadata map[string]string
	// RetryAfter is how long to wait before the call is repeated; 0 if the server did not say.
	RetryAfter time.Duration
	// Fields are the refused fields by path, with reason INVALID_FIELD.
	Fields map[string]string

	cause error
	ended error // of the context with which it ended
}

// Error is code, reason and message.
func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s (%s): %s", e.Code, e.Reason, e.Message)
}

// Unwrap gives the error of gRPC; of a wait that ended, the last failure before.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is(err, context.DeadlineExceeded) and errors.Is(err, context.Canceled) true when the context of the
// call has ended, and finds ErrUnauthenticated and ErrPermissionDenied.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnauthenticated:
		return e.Code == codes.Unauthenticated
	case ErrPermissionDenied:
		return e.Code == codes.PermissionDenied
	default:
		return e.ended != nil && errors.Is(e.ended, target)
	}
}

// GRPCStatus makes status.Code and status.FromError work on it.
func (e *Error) GRPCStatus() *status.Status {
	if e.cause != nil {
		if told := status.Convert(e.cause); told.Code() == e.Code && told.Message() == e.Message {
			return told
		}
	}
	return status.New(e.Code, e.Message)
}

// ParseError reads the error of any call, also of the generated methods. It gives nil for nil.
func ParseError(err error) *Error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	told := status.Convert(err)
	parsed := &Error{Code: told.Code(), Message: told.Message(), cause: err}
	for _, detail := range told.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == ErrorDomain {
				parsed.Reason, parsed.Metadata = detail.GetReason(), detail.GetMetadata()
			}
		case *errdetails.RetryInfo:
			parsed.RetryAfter = detail.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			parsed.Fields = make(map[string]string)
			for _, violation := range detail.GetFieldViolations() {
				parsed.Fields[violation.GetField()] = violation.GetDescription()
			}
		}
	}
	if parsed.Reason == "" {
		parsed.ended = endOf(parsed.Code)
	}
	return parsed
}

// endOf is the end of a context that shows in a code which no server gave.
func endOf(code codes.Code) error {
	switch code {
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	case codes.Canceled:
		return context.Canceled
	default:
		return nil
	}
}

// JobFailed says that a job ended without a result.
type JobFailed struct {
	Job *pb.Job
}

// Error tells the kind, the message and, if they are known, line and column of the script.
func (e *JobFailed) Error() string {
	if e.Job.GetState() == pb.Job_STATE_CANCELLED {
		return fmt.Sprintf("job %s was cancelled: %s", e.Job.GetJobId(), e.Job.GetCancelReason())
	}
	failure := e.Job.GetError()
	kind := strings.TrimPrefix(failure.GetKind().String(), "KIND_")
	text := fmt.Sprintf("job %s failed (%s): %s", e.Job.GetJobId(), kind, failure.GetMessage())
	switch {
	case failure.GetLine() == 0:
		return text
	case failure.GetColumn() == 0:
		return fmt.Sprintf("%s (line %d)", text, failure.GetLine())
	default:
		return fmt.Sprintf("%s (line %d, column %d)", text, failure.GetLine(), failure.GetColumn())
	}
}

// Result is the result of a job that has ended well, and a *JobFailed for every other one.
func Result(job *pb.Job) (string, error) {
	if job.GetState() != pb.Job_STATE_SUCCEEDED {
		return "", &JobFailed{Job: job}
	}
	return job.GetResult(), nil
}

// grpcError turns the end of a context into the status that a call would have ended with.
func grpcError(err error) error { return status.FromContextError(err).Err() }
