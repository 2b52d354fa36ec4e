// Package caller measures what callers of a system see. A line on stdin is a command, a line on stdout its answer as JSON:
//
//	run CALLERS SECONDS   so many callers, each one job after the other, at least one job each
//	queue JOBS            pauses the queue and fills it
//	resume                lets the worker have the jobs
//	left                  how many of them have not ended
package caller

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limit of one command; a system that needs longer hangs.
const limit = 2 * time.Minute

// Payload is the argument of every job.
var Payload = strings.Repeat("x", 100)

// Result is what every job returns.
const Result = "result-ok"

// System is what is measured.
type System interface {
	// Run hands in a job, and returns once its result is there. Callers are numbered from 0.
	Run(ctx context.Context, caller int) error
	// Queue pauses the queue and hands in so many jobs.
	Queue(ctx context.Context, jobs int) error
	// Resume ends the pause.
	Resume(ctx context.Context) error
	// Left counts the jobs that have not ended.
	Left(ctx context.Context) (int, error)
}

// Serve obeys until stdin ends.
func Serve(system System) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := obey(system, strings.Fields(lines.Text()))
		if err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		text, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	}
	return lines.Err()
}

func obey(system System, words []string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	switch {
	case len(words) == 3 && words[0] == "run":
		callers, err := strconv.Atoi(words[1])
		if err != nil {
			return nil, err
		}
		seconds, err := strconv.ParseFloat(words[2], 64)
		if err != nil {
			return nil, err
		}
		return run(ctx, system, callers, time.Duration(seconds*float64(time.Second)))
	case len(words) == 2 && words[0] == "queue":
		jobs, err := strconv.Atoi(words[1])
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		err = system.Queue(ctx, jobs)
		return map[string]any{"jobs": jobs, "seconds": time.Since(begun).Seconds()}, err
	case len(words) == 1 && words[0] == "resume":
		return map[string]any{}, system.Resume(ctx)
	case len(words) == 1 && words[0] == "left":
		left, err := system.Left(ctx)
		return map[string]any{"left": left}, err
	default:
		return nil, fmt.Errorf("no such command")
	}
}

func run(ctx context.Context, system System, callers int, span time.Duration) (map[string]any, error) {
	latencies := make([][]time.Duration, callers)
	failures := make([]error, callers)
	begun := time.Now()
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for first := true; first || time.Since(begun) < span; first = false {
				sent := time.Now()
				if failures[caller] = system.Run(ctx, caller); failures[caller] != nil {
					return
				}
				latencies[caller] = append(latencies[caller], time.Since(sent))
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	for _, failure := range failures {
		if failure != nil {
			return nil, failure
		}
	}
	sorted := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	return map[string]any{
		"jobs": len(sorted), "seconds": took.Seconds(),
		"p50_ms": percentile(sorted, 0.50), "p99_ms": percentile(sorted, 0.99),
	}, nil
}

// percentile is in milliseconds: the value of the nearest rank.
func percentile(sorted []time.Duration, share float64) float64 {
	rank := int(math.Ceil(share*float64(len(sorted)))) - 1
	return float64(sorted[max(rank, 0)].Nanoseconds()) / 1e6
}
