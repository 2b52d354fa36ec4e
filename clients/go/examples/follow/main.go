// Submits a job, prints its lines while it runs, and then its result.
//
// The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	supervisor "github.com/hero-supervisor/hero-supervisor/clients/go"
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
	job, err := client.Submit(ctx, supervisor.OSIS, `print("one"); print("two"); 40 + 2`)
	if err != nil {
		return err
	}
	for line, err := range job.Logs(ctx) {
		if err != nil {
			return err
		}
		fmt.Println("|", line.GetText())
	}
	result, err := job.Result(ctx)
	if err != nil {
		return err
	}
	fmt.Println(result)
	return nil
}
