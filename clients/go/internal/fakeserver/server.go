// Package fakeserver is a small server for the tests of the client: it keeps jobs in memory and breaks off when told to.
package fakeserver

import (
	"net"
	"os"
	"sync"
	"testing"

	"google.golang.org/grpc"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// Server answers like a supervisor whose actors compute sums and products.
type Server struct {
	pb.UnimplementedSupervisorServer

	// Fail is asked before each call, with its name and how often it came before; its error is the answer.
	Fail func(method string, before int) error

	mutex   sync.Mutex
	calls   map[string]int
	jobs    map[string]*pb.Job
	order   []string
	byName  map[string]string // ids of jobs by request id
	network string
	address string
	running *grpc.Server
}

// Start starts a server on a free port, until the test ends.
func Start(t *testing.T) *Server {
	t.Helper()
	return StartAt(t, "tcp", "127.0.0.1:0")
}

// Given is the address in HERO_TEST_SERVER, of a real server; without it, that of a server like that of Start.
func Given(t *testing.T) string {
	t.Helper()
	if address := os.Getenv("HERO_TEST_SERVER"); address != "" {
		return address
	}
	return Start(t).Address()
}

// StartAt starts a server at an address of a network, until the test ends.
func StartAt(t *testing.T, network, address string) *Server {
	t.Helper()
	s := &Server{
		calls: make(map[string]int), jobs: make(map[string]*pb.Job), byName: make(map[string]string),
		network: network, address: address,
	}
	s.Up(t)
	t.Cleanup(s.Down)
	return s
}

// Address is where it listens, for Connect.
func (s *Server) Address() string {
	if s.network == "unix" {
		return "unix:" + s.address
	}
	return s.address
}

// Calls is how often a call came.
func (s *Server) Calls(method string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.calls[method]
}

// Down ends the server and all its connections; its jobs stay.
func (s *Server) Down() { s.running.Stop() }

// Up starts the server again where it was.
func (s *Server) Up(t *testing.T) {
	t.Helper()
	listener, err := net.Listen(s.network, s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.running = grpc.NewServer()
	pb.RegisterSupervisorServer(s.running, s)
	go func(server *grpc.Server) { _ = server.Serve(listener) }(s.running)
}

// count counts a call, and gives the error that it is to end with.
func (s *Server) count(method string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	before := s.calls[method]
	s.calls[method]++
	if s.Fail != nil {
		return s.Fail(method, before)
	}
	return nil
}
