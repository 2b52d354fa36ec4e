// Package supervisor is the client of Hero Supervisor, which keeps script actors alive and gives them jobs.
//
//	client, err := supervisor.Connect("127.0.0.1:50051")
//	...
//	job, err := client.Submit(ctx, supervisor.OSIS, "40 + 2")
//	...
//	result, err := job.Result(ctx) // "42"
//
// A Client is the generated client of the whole API with methods of its own: Run, Submit and Await, whose jobs outlive
// disconnects and restarts of the server, lists that read page after page, and watches that resume by themselves. Its
// methods may be called from many goroutines.
package supervisor

// Version of this package; the same as that of the server it was made for.
const Version = "0.1.0"
