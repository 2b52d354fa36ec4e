// Command hero calls Hero Supervisor as any program does: the generated client, one connection over TCP, jobs one by one.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hero-supervisor/hero-supervisor/benches/peers/go/caller"
	supervisor "github.com/hero-supervisor/hero-supervisor/clients/go"
	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

const (
	// As many jobs a call as BullMQ gets.
	batch   = 500
	maxWait = time.Minute
)

type hero struct {
	client *supervisor.Client
	job    *pb.JobSpec
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: hero ADDRESS osis|python")
	}
	client, err := supervisor.Connect(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	job, err := noop(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if err := caller.Serve(hero{client, job}); err != nil {
		log.Fatal(err)
	}
}

// noop is a job that carries the payload and returns the result.
func noop(language string) (*pb.JobSpec, error) {
	switch language {
	case "osis":
		script := fmt.Sprintf("let payload = %q; %q", caller.Payload, caller.Result)
		return &pb.JobSpec{ScriptType: supervisor.OSIS, Script: script}, nil
	case "python":
		script := fmt.Sprintf("payload = %q\n%q", caller.Payload, caller.Result)
		return &pb.JobSpec{ScriptType: supervisor.Python, Script: script}, nil
	default:
		return nil, fmt.Errorf("no such language: %s", language)
	}
}

func (h hero) Run(ctx context.Context, _ int) error {
	answer, err := h.client.RunJob(ctx, &pb.RunJobRequest{Job: h.job, MaxWait: durationpb.New(maxWait)})
	if err != nil {
		return err
	}
	if job := answer.GetJob(); job.GetResult() != caller.Result {
		return fmt.Errorf("job %s: %s, result %q, error %v", job.GetJobId(), job.GetState(), job.GetResult(), job.GetError())
	}
	return nil
}

func (h hero) Queue(ctx context.Context, jobs int) error {
	if _, err := h.client.PauseQueue(ctx, &pb.PauseQueueRequest{ScriptType: h.job.GetScriptType()}); err != nil {
		return err
	}
	for jobs > 0 {
		request := &pb.SubmitJobsRequest{}
		for range min(jobs, batch) {
			request.Requests = append(request.Requests, &pb.SubmitJobRequest{Job: h.job})
		}
		answer, err := h.client.SubmitJobs(ctx, request)
		if err != nil {
			return err
		}
		for _, result := range answer.GetResults() {
			if refused := result.GetError(); refused != nil {
				return fmt.Errorf("refused: %v", refused)
			}
		}
		jobs -= len(request.GetRequests())
	}
	return nil
}

func (h hero) Resume(ctx context.Context) error {
	_, err := h.client.ResumeQueue(ctx, &pb.ResumeQueueRequest{ScriptType: h.job.GetScriptType()})
	return err
}

func (h hero) Left(ctx context.Context) (int, error) {
	answer, err := h.client.GetScriptType(ctx, &pb.GetScriptTypeRequest{ScriptType: h.job.GetScriptType()})
	status := answer.GetStatus()
	return int(status.GetJobsQueued() + status.GetJobsRunning()), err
}
