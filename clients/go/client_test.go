package supervisor

import (
	"os"
	"regexp"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestTheVersionIsThatOfTheServer(t *testing.T) {
	cargo, err := os.ReadFile("../../Cargo.toml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^version = "(.*)"`).FindSubmatch(cargo)
	if found == nil || string(found[1]) != Version {
		t.Fatalf("the server is %s, the client %s", found, Version)
	}
}

func TestALostAnswerIsAskedForAgainAndAFullRedisIsNot(t *testing.T) {
	for _, each := range []struct {
		told Error
		lost bool
	}{
		{Error{Code: codes.DeadlineExceeded, Reason: "TIMED_OUT"}, true},
		{Error{Code: codes.Unavailable, Reason: "REDIS_READ_ONLY"}, true},
		{Error{Code: codes.ResourceExhausted, Reason: "REDIS_FULL"}, false},
	} {
		if each.told.lost() != each.lost {
			t.Errorf("%+v: lost is %v", each.told, each.told.lost())
		}
	}
}

func TestAnErrorIsReadFromItsDetails(t *testing.T) {
	told, err := status.New(codes.ResourceExhausted, "full").WithDetails(
		&errdetails.ErrorInfo{Domain: ErrorDomain, Reason: "QUEUE_FULL", Metadata: map[string]string{"limit": "3"}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	parsed := ParseError(told.Err())
	if parsed.Reason != "QUEUE_FULL" || parsed.Metadata["limit"] != "3" || parsed.RetryAfter != time.Second {
		t.Fatalf("%+v", parsed)
	}
	if status.Code(parsed) != codes.ResourceExhausted {
		t.Fatal("the code of gRPC is lost")
	}
}

func TestNoErrorStaysNone(t *testing.T) {
	if ParseError(nil) != nil {
		t.Fatal("an error from nothing")
	}
}
