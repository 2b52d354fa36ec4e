// Runs a script and prints its result: go run ./examples/run '40 + 2'
//
// The server is that of HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	supervisor "github.com/hero-supervisor/hero-supervisor/clients/go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	script := "40 + 2"
	if len(os.Args) > 1 {
		script = os.Args[1]
	}
	if err := run(ctx, script); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, script string) error {
	client, err := supervisor.Connect("")
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	job, err := client.Run(ctx, supervisor.OSIS, script)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("gave up: %w", err)
	} else if err != nil {
		return err
	}
	result, err := supervisor.Result(job)
	if err != nil {
		return err
	}
	fmt.Println(result)
	return nil
}
