package supervisor

import (
	"crypto/tls"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

const (
	// The server answers pings that are no faster than this.
	keepaliveTime    = 60 * time.Second
	keepaliveTimeout = 20 * time.Second
	// A server that was restarted is found again this fast.
	maxReconnectDelay = 2 * time.Second
	connectTimeout    = 5 * time.Second
)

// Reads may be repeated without harm, so gRPC does it by itself when the server is away. Calls that change something
// are repeated by Run, which gives them a request id, and by nobody else.
const serviceConfig = `{"methodConfig": [{
	"name": [
		{"service": "hero.supervisor.v1.Supervisor", "method": "GetServerInfo"},
		{"service": "hero.supervisor.v1.Supervisor", "method": "GetActor"},
		{"service": "hero.supervisor.v1.Supervisor", "method": "ListActors"},
		{"service": "hero.supervisor.v1.Supervisor", "method": "GetScriptType"},
		{"service": "hero.supervisor.v1.Supervisor", "method": "ListScriptTypes"},
		{"service": "hero.supervisor.v1.Supervisor", "method": "AwaitJob"},
		{"service": "hero.supervisor.v1.Supervisor", "method": "GetJob"},
		{"service": "hero.supervisor.v1.Supervisor", "method": "ListJobs"},
		{"service": "hero.supervisor.v1.Supervisor", "method": "ListEvents"}
	],
	"retryPolicy": {
		"maxAttempts": 4, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2,
		"retryableStatusCodes": ["UNAVAILABLE"]
	}
}]}`

// Client talks to one supervisor.
type Client struct {
	pb.SupervisorClient
	connection *grpc.ClientConn
	address    string
	settings   settings
}

// Connect prepares a client; the connection is made with the first call, and made again whenever it is lost.
//
// The address is "host:port", "http://host:port", "https://host:port" or "unix:/path". An empty one stands for that in the
// environment variable HERO_SUPERVISOR_SERVER, and without it for 127.0.0.1:50051. Everything else is refused. The
// connection is encrypted with https only, by the certificates that this machine trusts. Options win over the defaults of
// this package; FailFast and WithLogger are options, too.
func Connect(address string, options ...grpc.DialOption) (*Client, error) {
	way, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if way.tls {
		transport = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	defaults := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithUserAgent("hero-supervisor-go/" + Version),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnectDelay},
			MinConnectTimeout: connectTimeout,
		}),
	}
	connection, err := grpc.NewClient(way.target, append(defaults, options...)...)
	if err != nil {
		return nil, err
	}
	client := New(connection, options...)
	client.address = way.text
	return client, nil
}

// New makes a client on a connection of the caller's own. Of the options only those of this package are looked at.
func New(connection *grpc.ClientConn, options ...grpc.DialOption) *Client {
	client := &Client{
		SupervisorClient: pb.NewSupervisorClient(connection),
		connection:       connection,
		address:          connection.Target(),
	}
	for _, option := range options {
		if ours, isOurs := option.(clientOption); isOurs {
			ours.change(&client.settings)
		}
	}
	return client
}

// Connection is what the client talks over, for other services on it such as grpc.health.v1.
func (c *Client) Connection() *grpc.ClientConn { return c.connection }

// Close ends the connection. Jobs go on.
func (c *Client) Close() error { return c.connection.Close() }
