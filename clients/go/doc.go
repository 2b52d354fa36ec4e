// Package supervisor is the client of Hero Supervisor, which keeps script actors alive and gives them jobs.
//
//	client, err := supervisor.Connect("127.0.0.1:50051")
//	...
//	job, err := client.Run(ctx, pb.ScriptType_SCRIPT_TYPE_OSIS, "40 + 2")
//	...
//	result, err := supervisor.Result(job) // "42"
//
// A Client is the generated client of the whole API with a few methods more: Run and Await, which outlive
// disconnects and restarts of the server, and WatchEvents and WatchHealth, which resume by themselves. Its methods may
// be called from many goroutines.
package supervisor

// Version of this package; the same as that of the server it was made for.
const Version = "0.1.0"
