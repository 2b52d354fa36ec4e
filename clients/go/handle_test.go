package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
	"github.com/hero-supervisor/hero-supervisor/clients/go/internal/fakeserver"
)

func TestAHandleOutlivesTheServer(t *testing.T) {
	server := fakeserver.Start(t)
	client := connect(t, server.Address())
	handle, err := client.Submit(t.Context(), OSIS, "40 + 2", WithJobID("mine"))
	if err != nil || handle.JobID() != "mine" {
		t.Fatal(handle, err)
	}
	server.Down()
	time.AfterFunc(500*time.Millisecond, func() { server.Up(t) })
	if result, err := handle.Result(t.Context()); err != nil || result != "42" {
		t.Fatal(result, err)
	}
	if job, err := client.Handle("mine").Get(t.Context()); err != nil || job.GetState() != pb.Job_STATE_SUCCEEDED {
		t.Fatal(job, err)
	}
}

func TestASubmitWhoseAnswerWasLostMakesOneJob(t *testing.T) {
	server := fakeserver.Start(t)
	server.Fail = func(method string, before int) error {
		if method == "SubmitJob" && before == 0 {
			return status.Error(codes.Unavailable, "gone away")
		}
		return nil
	}
	client := connect(t, server.Address())
	handle, err := client.Submit(t.Context(), OSIS, "1 + 1")
	if err != nil || handle.JobID() != "job-1" || server.Calls("SubmitJob") != 2 {
		t.Fatal(handle, err)
	}
}

func TestACancelledJobHasNoResult(t *testing.T) {
	client := connect(t, fakeserver.Start(t).Address())
	handle, err := client.Submit(t.Context(), OSIS, "wait")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if job, err := handle.Cancel(t.Context(), "no need"); err != nil || job.GetCancelReason() != "no need" {
			t.Fatal(job, err)
		}
	}
	_, err = handle.Result(t.Context())
	var failed *JobFailed
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "was cancelled: no need") {
		t.Fatal(err)
	}
	_, err = client.Cancel(t.Context(), "nope", "")
	expect(t, err, codes.NotFound, "JOB_NOT_FOUND")
	_, err = client.Handle("nope").Get(t.Context())
	expect(t, err, codes.NotFound, "JOB_NOT_FOUND")
}

func TestTheLinesOfAJobComeOnceThroughALostConnection(t *testing.T) {
	server := fakeserver.Start(t)
	client := connect(t, server.Address())
	handle, err := client.Submit(t.Context(), OSIS, `print("one"); print("two"); print("three")`)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // each loop is a watch of its own
		var lines []string
		for entry, err := range handle.Logs(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, entry.GetText())
		}
		if strings.Join(lines, " ") != "one two three" {
			t.Fatal(lines)
		}
	}
	if server.Calls("WatchJob") != 4 {
		t.Fatal(server.Calls("WatchJob"))
	}
	var last *pb.Job
	for message, err := range handle.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if job := message.GetJob(); job != nil {
			last = job
		}
	}
	if last.GetState() != pb.Job_STATE_SUCCEEDED {
		t.Fatal(last)
	}
}

func TestManyJobsAreSubmittedInBatches(t *testing.T) {
	server := fakeserver.Start(t)
	client := connect(t, server.Address())
	var requests []*pb.SubmitJobRequest
	for number := range 1203 {
		script := fmt.Sprintf("%d + 0", number)
		switch number {
		case 3:
			script = "refuse"
		case 1200, 1201, 1202: // three of them are too much for one message
			script = "#" + strings.Repeat("x", 1<<20-100) + "\n" + script
		}
		requests = append(requests, &pb.SubmitJobRequest{Job: &pb.JobSpec{ScriptType: OSIS, Script: script}})
	}
	submitted, err := client.SubmitMany(t.Context(), requests...)
	if err != nil || len(submitted) != 1203 || server.Calls("SubmitJobs") != 3 {
		t.Fatal(len(submitted), server.Calls("SubmitJobs"), err)
	}
	if requests[0].GetRequestId() != "" {
		t.Error("the caller's requests were changed")
	}
	for number, one := range submitted {
		if number == 3 {
			told := expect(t, one.Err, codes.ResourceExhausted, "QUEUE_FULL")
			if told.Fields["job.script"] != "says refuse" || one.Handle != nil {
				t.Errorf("%+v", told)
			}
			continue
		}
		if one.Err != nil {
			t.Fatal(one.Err)
		}
		if number%100 == 0 || number > 1199 {
			if result, err := one.Handle.Result(t.Context()); err != nil || result != fmt.Sprint(number) {
				t.Fatal(number, result, err)
			}
		}
	}
}

func TestTheHandlesOfABatchOutliveTheFailureOfTheNext(t *testing.T) {
	server := fakeserver.Start(t)
	server.Fail = func(method string, before int) error {
		if method == "SubmitJobs" && before == 1 {
			return fakeserver.Refused(codes.PermissionDenied, "PERMISSION_DENIED", "not any more", nil)
		}
		return nil
	}
	var requests []*pb.SubmitJobRequest
	for range maxBatchJobs + 1 {
		requests = append(requests, &pb.SubmitJobRequest{Job: &pb.JobSpec{Script: "1 + 1"}})
	}
	requests[maxBatchJobs].RequestId = "mine"
	submitted, err := connect(t, server.Address()).SubmitMany(t.Context(), requests...)
	expect(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	if len(submitted) != maxBatchJobs+1 || submitted[0].Handle == nil || submitted[maxBatchJobs-1].Handle == nil {
		t.Fatal(len(submitted))
	}
	told := expect(t, submitted[maxBatchJobs].Err, codes.PermissionDenied, "PERMISSION_DENIED")
	if told.Metadata["request_id"] != "mine" {
		t.Errorf("%v", told.Metadata)
	}
}

func TestListsGoOnPageByPage(t *testing.T) {
	server := fakeserver.Start(t)
	client := connect(t, server.Address())
	for range 5 {
		if _, err := client.Submit(t.Context(), OSIS, "1 + 1"); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	jobs := client.Jobs(t.Context(), &pb.ListJobsRequest{})
	for range 2 {
		for job, err := range jobs {
			if err != nil {
				t.Fatal(err)
			}
			if ids = append(ids, job.GetJobId()); len(ids)%5 == 3 {
				break
			}
		}
	}
	if strings.Join(ids, " ") != "job-5 job-4 job-3 job-5 job-4 job-3 job-2 job-1" {
		t.Error(ids)
	}
	ids = nil
	for actor, err := range client.Actors(t.Context(), &pb.ListActorsRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, actor.GetActorId())
	}
	for event, err := range client.Events(t.Context(), &pb.ListEventsRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, event.GetMessage())
	}
	if strings.Join(ids, " ") != "actor_0 actor_1 actor_2 two one" {
		t.Error(ids)
	}
	server.Fail = func(string, int) error {
		return fakeserver.Refused(codes.InvalidArgument, "INVALID_PAGE_TOKEN", "no", nil)
	}
	for _, err := range jobs {
		expect(t, err, codes.InvalidArgument, "INVALID_PAGE_TOKEN")
	}
}

func TestTheLinesOfAnActorComeOnceThroughLostConnections(t *testing.T) {
	client := connect(t, fakeserver.Start(t).Address())
	for _, follow := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		var lines []string
		for entry, err := range client.ActorLogs(ctx, &pb.StreamActorLogsRequest{ActorId: "a", Follow: follow}) {
			if err != nil {
				if !follow || !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				break
			}
			if lines = append(lines, entry.GetText()); follow && len(lines) == fakeserver.Lines {
				cancel()
			}
		}
		cancel()
		if strings.Join(lines, ", ") != "line 0, line 1, line 2, line 3, line 4" {
			t.Error(lines)
		}
	}
}

func TestActorsAreScaled(t *testing.T) {
	client := connect(t, fakeserver.Start(t).Address())
	answer, err := client.Scale(t.Context(), OSIS, 2, nil)
	if err != nil || len(answer.GetAddedActorIds()) != 2 {
		t.Fatal(answer, err)
	}
	_, err = client.Scale(t.Context(), OSIS, 11, func(request *pb.ScaleActorsRequest) { request.ValidateOnly = true })
	expect(t, err, codes.FailedPrecondition, "AUTOSCALING_ACTIVE")
}

func TestTheTextOfAFailureSaysWhere(t *testing.T) {
	job := &pb.Job{JobId: "j", State: pb.Job_STATE_FAILED, Error: &pb.JobError{Kind: pb.JobError_KIND_SCRIPT_ERROR, Message: "boom"}}
	_, err := Result(job)
	texts := []string{err.Error()}
	job.Error.Line = proto.Int32(2)
	texts = append(texts, err.Error())
	job.Error.Column = proto.Int32(7)
	texts = append(texts, err.Error())
	want := "job j failed (SCRIPT_ERROR): boom"
	if texts[0] != want || texts[1] != want+" (line 2)" || texts[2] != want+" (line 2, column 7)" {
		t.Error(texts)
	}
}
