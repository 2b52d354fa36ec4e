package supervisor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

// guard is a server that answers whose token is "right", and counts calls.
type guard struct {
	pb.UnimplementedSupervisorServer
	calls int
}

func (g *guard) check(ctx context.Context) error {
	g.calls++
	found, _ := metadata.FromIncomingContext(ctx)
	switch strings.Join(found.Get("authorization"), ",") {
	case "Bearer right":
		return nil
	case "Bearer small":
		return status.Error(codes.PermissionDenied, "not for you")
	default:
		return status.Error(codes.Unauthenticated, "who are you?")
	}
}

func (g *guard) GetServerInfo(ctx context.Context, _ *pb.GetServerInfoRequest) (*pb.GetServerInfoResponse, error) {
	return &pb.GetServerInfoResponse{}, g.check(ctx)
}

func (g *guard) RunJob(ctx context.Context, _ *pb.RunJobRequest) (*pb.RunJobResponse, error) {
	return &pb.RunJobResponse{WaitOutcome: pb.WaitOutcome_WAIT_OUTCOME_DONE, Job: &pb.Job{}}, g.check(ctx)
}

func (g *guard) WatchEvents(_ *pb.WatchEventsRequest, stream grpc.ServerStreamingServer[pb.WatchEventsResponse]) error {
	return g.check(stream.Context())
}

func guarded(t *testing.T, options ...grpc.ServerOption) (*guard, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, server := &guard{}, grpc.NewServer(options...)
	pb.RegisterSupervisorServer(server, g)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return g, listener.Addr().String()
}

func asks(t *testing.T, address string, options ...grpc.DialOption) error {
	t.Helper()
	_, err := connect(t, address, options...).GetServerInfo(within(t, 10*time.Second), &pb.GetServerInfoRequest{})
	return err
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnAddressAndWhatIsGivenSayWhetherItIsEncrypted(t *testing.T) {
	for _, each := range []struct {
		address   string
		access    access
		encrypted bool
	}{
		{"127.0.0.1:1", access{}, false},
		{"127.0.0.1:1", access{token: "t"}, false},
		{"localhost:1", access{token: "t"}, false},
		{"[::1]:1", access{token: "t"}, false},
		{"unix:/s", access{token: "t", caCert: "c"}, false},
		{"http://127.0.0.1:1", access{token: "t", caCert: "c"}, false},
		{"127.0.0.1:1", access{caCert: "c"}, true},
		{"127.0.0.1:1", access{clientCert: "c"}, true},
		{"10.0.0.1:1", access{}, false},
		{"10.0.0.1:1", access{token: "t"}, true},
		{"supervisor:1", access{tokenFile: "t"}, true},
		{"https://127.0.0.1:1", access{}, true},
	} {
		way, err := parseAddress(each.address)
		if err != nil || each.access.encrypts(way) != each.encrypted {
			t.Errorf("%+v: %v", each, err)
		}
	}
}

func TestWhatCannotBeIsRefusedByConnect(t *testing.T) {
	empty, two := write(t, " \n"), write(t, "a b\n")
	for _, each := range []struct {
		address string
		words   string
		options []grpc.DialOption
	}{
		{"http://10.0.0.1:1", `"http://10.0.0.1:1" would send the token in the clear to another machine: use https://10.0.0.1:1`, []grpc.DialOption{WithToken("t")}},
		{"h:1", "a client certificate and its key go together: give both", []grpc.DialOption{WithClientCert("c", "")}},
		{"h:1", "a token and a token file were given: give one of them", []grpc.DialOption{WithToken("t"), WithTokenFile("f")}},
		{"h:1", "the token is not one word of visible ASCII characters", []grpc.DialOption{WithToken("a\nb")}},
		{"h:1", "the token is empty", []grpc.DialOption{WithTokenFile(empty)}},
		{"h:1", "the token is not one word of visible ASCII characters", []grpc.DialOption{WithTokenFile(two)}},
		{"h:1", "the token file cannot be read", []grpc.DialOption{WithTokenFile("/nowhere")}},
		{"h:1", "the CA certificates cannot be read", []grpc.DialOption{WithCACert("/nowhere")}},
		{"h:1", "holds no certificate in PEM", []grpc.DialOption{WithCACert(two)}},
		{"h:1", "the client certificate cannot be read", []grpc.DialOption{WithClientCert("/nowhere", "/nowhere")}},
	} {
		if _, err := Connect(each.address, each.options...); err == nil || !strings.Contains(err.Error(), each.words) {
			t.Errorf("%s: %v", each.words, err)
		}
	}
}

func TestATokenIsSentAndRefusalsAreFinal(t *testing.T) {
	g, address := guarded(t)
	if err := asks(t, address, WithToken("right")); err != nil {
		t.Fatal(err)
	}
	for token, sentinel := range map[string]error{"wrong": ErrUnauthenticated, "small": ErrPermissionDenied} {
		client := connect(t, address, WithToken(token))
		g.calls = 0
		_, read := client.GetServerInfo(t.Context(), &pb.GetServerInfoRequest{})
		_, run := client.Run(t.Context(), OSIS, "1")
		var watch error
		for _, err := range client.WatchEvents(t.Context(), &pb.WatchEventsRequest{}) {
			watch = err
		}
		for _, err := range []error{ParseError(read), run, watch} {
			if !errors.Is(err, sentinel) {
				t.Errorf("%s: %v", token, err)
			}
		}
		if g.calls != 3 {
			t.Errorf("%s: three calls became %d", token, g.calls)
		}
	}
}

func TestATokenFileIsReadAgainWhenItHasChanged(t *testing.T) {
	_, address := guarded(t)
	path := write(t, "wrong\n")
	client := connect(t, address, WithTokenFile(path))
	ask := func() error {
		_, err := client.GetServerInfo(t.Context(), &pb.GetServerInfoRequest{})
		return err
	}
	if err := ask(); status.Code(err) != codes.Unauthenticated {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Fatalf("a file that is away for a moment: %v", err)
	}
}

func TestTheEnvironmentSaysWhatNoOptionSays(t *testing.T) {
	_, address := guarded(t)
	t.Setenv(TokenVariable, "right")
	if err := asks(t, address); err != nil {
		t.Fatal(err)
	}
	if err := asks(t, address, WithTokenFile(write(t, "wrong"))); status.Code(err) != codes.Unauthenticated {
		t.Fatal(err)
	}
}

func TestAServerWithACertificateAsksForOne(t *testing.T) {
	ca, server, client := certificates(t)
	pair, err := tls.LoadX509KeyPair(server, server)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	text, err := os.ReadFile(ca)
	if err != nil || !clients.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}
	_, address := guarded(t, grpc.Creds(credentials.NewTLS(config)))
	for _, url := range []string{address, "https://" + address} {
		if err := asks(t, url, WithCACert(ca), WithClientCert(client, client), WithToken("right")); err != nil {
			t.Error(err)
		}
	}
	if err := asks(t, address, WithCACert(ca), WithToken("right")); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v", err)
	}
	if err := asks(t, "https://"+address, WithToken("right")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the CA: %v", err)
	}
}

// certificates makes a CA, and a server and a client of its; each file holds certificate and key.
func certificates(t *testing.T) (ca, server, client string) {
	t.Helper()
	var issuer *x509.Certificate
	var issuerKey *ecdsa.PrivateKey
	issue := func(name string) string {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: issuer == nil, BasicConstraintsValid: true,
		}
		if issuer == nil {
			issuer, issuerKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		return write(t, string(certificate)+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	}
	return issue("ca"), issue("server"), issue("client")
}
