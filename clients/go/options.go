package supervisor

import (
	"log/slog"

	"google.golang.org/grpc"
)

// settings are those of a client.
type settings struct {
	failFast bool
	log      *slog.Logger
	access   access
}

// settingsOf are those that options of this package say.
func settingsOf(options []grpc.DialOption) settings {
	var s settings
	for _, option := range options {
		if ours, isOurs := option.(clientOption); isOurs {
			ours.change(&s)
		}
	}
	return s
}

func (s *settings) logger() *slog.Logger {
	if s.log == nil {
		return slog.Default()
	}
	return s.log
}

// clientOption is an option of this package that Connect takes beside those of gRPC.
type clientOption struct {
	grpc.EmptyDialOption
	change func(*settings)
}

// FailFast makes Run, Await, handles and watches fail at once, with reason NO_SERVER, when no server is reached. Without
// it they wait for one as long as their context lets them. A server that has answered once in a wait is always waited for.
func FailFast() grpc.DialOption {
	return clientOption{change: func(s *settings) { s.failFast = true }}
}

// WithLogger sets where the client tells that a server does not answer and is waited for. Default: slog.Default().
func WithLogger(log *slog.Logger) grpc.DialOption {
	return clientOption{change: func(s *settings) { s.log = log }}
}
