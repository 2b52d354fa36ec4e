package supervisor

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
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
// environment variable HERO_SUPERVISOR_SERVER, and without it for 127.0.0.1:50051. Everything else is refused.
//
// The connection is encrypted with https, and with "host:port" when WithCACert or WithClientCert is given, or a token for
// another machine; servers are trusted by the CAs of this machine unless WithCACert says otherwise. Options win over the
// environment and over the defaults of this package; FailFast and WithLogger are options, too.
func Connect(address string, options ...grpc.DialOption) (*Client, error) {
	way, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	defaults, err := settingsOf(options).access.orEnvironment().dial(way)
	if err != nil {
		return nil, err
	}
	defaults = append(defaults,
		grpc.WithChainUnaryInterceptor(repeatReads),
		grpc.WithUserAgent("hero-supervisor-go/"+Version),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnectDelay},
			MinConnectTimeout: connectTimeout,
		}),
	)
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
	return &Client{
		SupervisorClient: pb.NewSupervisorClient(connection),
		connection:       connection,
		address:          connection.Target(),
		settings:         settingsOf(options),
	}
}

// Connection is what the client talks over, for other services on it such as grpc.health.v1.
func (c *Client) Connection() *grpc.ClientConn { return c.connection }

// Close ends the connection. Jobs go on.
func (c *Client) Close() error { return c.connection.Close() }
