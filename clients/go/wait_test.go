package supervisor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
	"github.com/hero-supervisor/hero-supervisor/clients/go/internal/fakeserver"
)

const nobody = "127.0.0.1:1"

// connect connects to a server and tells nobody of failures.
func connect(t *testing.T, address string, options ...grpc.DialOption) *Client {
	t.Helper()
	quiet := WithLogger(slog.New(slog.DiscardHandler))
	client, err := Connect(address, append([]grpc.DialOption{quiet}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// soon is a context that ends soon.
func soon(t *testing.T) context.Context { return within(t, 300*time.Millisecond) }

// later is a context that ends when gRPC has repeated a read as often as it does.
func later(t *testing.T) context.Context { return within(t, 2500*time.Millisecond) }

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func expect(t *testing.T, err error, code codes.Code, reason string, words ...string) *Error {
	t.Helper()
	var told *Error
	if !errors.As(err, &told) {
		t.Fatalf("%v", err)
	}
	if told.Code != code || told.Reason != reason || status.Code(err) != code {
		t.Errorf("%v", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "goes on") != (reason == ReasonWaitOver && told.Metadata["job_id"] != "") {
		t.Errorf("who goes on? %v", err)
	}
	return told
}

func TestNoServerIsNotAJobThatGoesOn(t *testing.T) {
	t.Parallel()
	client := connect(t, nobody)
	_, err := client.Run(soon(t), OSIS, "1", WithJobID("mine"))
	told := expect(t, err, codes.DeadlineExceeded, ReasonNoServer,
		"no server answered at "+nobody+" within 300 ms: ", "connection refused; nothing is known of a job")
	if told.Metadata["request_id"] == "" || told.Metadata["job_id"] != "" {
		t.Errorf("%v", told.Metadata)
	}
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Error("its context had a deadline")
	}
	if status.Code(errors.Unwrap(err)) != codes.Unavailable {
		t.Errorf("the last failure is lost: %v", errors.Unwrap(err))
	}
	_, err = client.Await(later(t), "17")
	expect(t, err, codes.DeadlineExceeded, ReasonNoServer, "within 2.5 s: ", "connection refused; nothing is known of job 17")
	_, err = client.Submit(soon(t), OSIS, "1")
	expect(t, err, codes.DeadlineExceeded, ReasonNoServer, "connection refused; nothing is known of a job")
	for _, err := range client.WatchEvents(soon(t), &pb.WatchEventsRequest{}) {
		expect(t, err, codes.DeadlineExceeded, ReasonNoServer, "connection refused")
	}
}

func TestAPortThatSpeaksSomethingElseIsNoServer(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]string{"redis": "-ERR unknown command\r\n", "http": "HTTP/1.1 400 Bad Request\r\n\r\n", "silent": ""} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					connection, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = connection.Write([]byte(word))
				}
			}()
			_, err = connect(t, listener.Addr().String()).Run(soon(t), OSIS, "1")
			expect(t, err, codes.DeadlineExceeded, ReasonNoServer, "no server answered at "+listener.Addr().String())
		})
	}
}

func TestWhoGivesUpIsToldSo(t *testing.T) {
	t.Parallel()
	server := fakeserver.Start(t)
	client := connect(t, server.Address())
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
	_, err := client.Run(ctx, OSIS, "wait")
	told := expect(t, err, codes.Canceled, ReasonWaitOver, "the wait was given up; the job goes on")
	if told.Metadata["job_id"] != "job-1" {
		t.Errorf("%v", told.Metadata)
	}
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	_, err = connect(t, nobody).Run(ctx, OSIS, "1")
	expect(t, err, codes.Canceled, ReasonWaitOver, "nothing is known of a job")
	for _, err := range client.WatchHealth(ctx, &pb.WatchHealthRequest{}) {
		expect(t, err, codes.Canceled, "")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

func TestAServerThatAcceptsNothingIsNamedWithItsReason(t *testing.T) {
	t.Parallel()
	server := fakeserver.Start(t)
	server.Fail = func(string, int) error {
		return fakeserver.Refused(codes.Unavailable, "REDIS_UNAVAILABLE", "Redis does not answer", nil)
	}
	_, err := connect(t, server.Address()).Run(soon(t), OSIS, "1")
	expect(t, err, codes.DeadlineExceeded, "REDIS_UNAVAILABLE", "could not help within 300 ms: ", "Redis does not answer; nothing is known of a job")
}

func TestAJobThatIsKnownGoesOn(t *testing.T) {
	t.Parallel()
	server := fakeserver.Start(t)
	server.Fail = func(method string, _ int) error {
		if method == "AwaitJob" {
			return status.Error(codes.Unavailable, "gone away")
		}
		return nil
	}
	_, err := connect(t, server.Address()).Run(later(t), OSIS, "wait")
	told := expect(t, err, codes.DeadlineExceeded, ReasonWaitOver, "it goes on", "gone away")
	if told.Metadata["job_id"] != "job-1" {
		t.Errorf("%v", told.Metadata)
	}
}

func TestAnAnswerThatTheServerLostIsAJobThatMayBeThere(t *testing.T) {
	t.Parallel()
	server := fakeserver.Start(t)
	server.Fail = func(string, int) error {
		return fakeserver.Refused(codes.DeadlineExceeded, "TIMED_OUT", "Redis did not answer in time", map[string]string{"job_id": "7"})
	}
	_, err := connect(t, server.Address()).Run(soon(t), OSIS, "1")
	told := expect(t, err, codes.DeadlineExceeded, "TIMED_OUT", "nothing is known of a job")
	if told.Metadata["job_id"] != "7" {
		t.Errorf("%v", told.Metadata)
	}
}

func TestWhoWantsToFailFastDoes(t *testing.T) {
	t.Parallel()
	client := connect(t, nobody, FailFast())
	began := time.Now()
	_, err := client.Run(t.Context(), OSIS, "1")
	expect(t, err, codes.Unavailable, ReasonNoServer, "no server answers at "+nobody, "connection refused; nothing is known of a job")
	for _, err := range client.WatchEvents(t.Context(), &pb.WatchEventsRequest{}) {
		expect(t, err, codes.Unavailable, ReasonNoServer)
	}
	if time.Since(began) > 5*time.Second {
		t.Errorf("that took %s", time.Since(began))
	}
}

func TestWhoFailsFastStillOutlivesAServerThatHasAnswered(t *testing.T) {
	t.Parallel()
	server := fakeserver.Start(t)
	server.Fail = func(method string, _ int) error {
		if method == "AwaitJob" {
			return status.Error(codes.Unavailable, "gone away")
		}
		return nil
	}
	_, err := connect(t, server.Address(), FailFast()).Run(later(t), OSIS, "wait")
	expect(t, err, codes.DeadlineExceeded, ReasonWaitOver, "gone away")
}

func TestAWaitThatWasOverBeforeItBeganKnowsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := connect(t, nobody).Run(ctx, OSIS, "1")
	expect(t, err, codes.Canceled, ReasonWaitOver, "over before a call was made; nothing is known of a job")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAServerThatDoesNotAnswerIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	client := connect(t, nobody, WithLogger(slog.New(slog.NewTextHandler(&text, nil))))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, _ = client.Run(ctx, OSIS, "1")
	if strings.Count(text.String(), "level=WARN") != 1 || !strings.Contains(text.String(), "address="+nobody) || !strings.Contains(text.String(), "connection refused") {
		t.Errorf("%s", text.String())
	}
}
