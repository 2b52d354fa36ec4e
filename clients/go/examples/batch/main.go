// Submits many jobs at once, waits for all of them, and lists what the server keeps of them.
//
// The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	supervisor "github.com/hero-supervisor/hero-supervisor/clients/go"
	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	client, err := supervisor.Connect("")
	if err != nil {
		return err
	}
	defer client.Close()
	caller := fmt.Sprintf("batch-%d", time.Now().UnixNano())
	var requests []*pb.SubmitJobRequest
	for number := range 5 {
		requests = append(requests, &pb.SubmitJobRequest{Job: &pb.JobSpec{
			ScriptType: supervisor.OSIS,
			Script:     fmt.Sprintf("%d * %d", number, number),
			CallerId:   caller,
		}})
	}
	submitted, err := client.SubmitMany(ctx, requests...)
	if err != nil {
		return err
	}
	for _, one := range submitted {
		if one.Err != nil {
			return one.Err
		}
		result, err := one.Handle.Result(ctx)
		if err != nil {
			return err
		}
		fmt.Println(result)
	}
	count := 0
	for _, err := range client.Jobs(ctx, &pb.ListJobsRequest{CallerId: caller, PageSize: 2}) {
		if err != nil {
			return err
		}
		count++
	}
	fmt.Println(count, "jobs")
	return nil
}
