package supervisor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Environment variables that say what the options of the same names do; an option wins.
const (
	// CACertVariable names a file with the CAs that servers are trusted by, in PEM.
	CACertVariable = "HERO_SUPERVISOR_CACERT"
	// ClientCertVariable names a file with the certificate of this client, in PEM.
	ClientCertVariable = "HERO_SUPERVISOR_CLIENT_CERT"
	// ClientKeyVariable names the file with its key.
	ClientKeyVariable = "HERO_SUPERVISOR_CLIENT_KEY"
	// TokenVariable holds the token.
	TokenVariable = "HERO_SUPERVISOR_TOKEN"
	// TokenFileVariable names a file with the token.
	TokenFileVariable = "HERO_SUPERVISOR_TOKEN_FILE"
)

// access is whom a client trusts, and how it shows who it is.
type access struct {
	caCert, clientCert, clientKey, token, tokenFile string
}

// WithCACert trusts servers by the CAs in this file (PEM) instead of those of this machine. A "host:port" is encrypted then.
func WithCACert(path string) grpc.DialOption {
	return clientOption{change: func(s *settings) { s.access.caCert = path }}
}

// WithClientCert shows this certificate to servers that ask for one; both files are in PEM, and are read again for each
// connection. A "host:port" is encrypted then.
func WithClientCert(certificate, key string) grpc.DialOption {
	return clientOption{change: func(s *settings) { s.access.clientCert, s.access.clientKey = certificate, key }}
}

// WithToken sends a token with each call. It is never sent in the clear to another machine: a "host:port" that is not
// this machine is encrypted then, and "http://host:port" is refused.
func WithToken(token string) grpc.DialOption {
	return clientOption{change: func(s *settings) { s.access.token = token }}
}

// WithTokenFile is WithToken with the token in a file, which is read again when it has changed.
func WithTokenFile(path string) grpc.DialOption {
	return clientOption{change: func(s *settings) { s.access.tokenFile = path }}
}

// orEnvironment fills in what no option says.
func (a access) orEnvironment() access {
	if a.caCert == "" {
		a.caCert = os.Getenv(CACertVariable)
	}
	if a.clientCert == "" && a.clientKey == "" {
		a.clientCert, a.clientKey = os.Getenv(ClientCertVariable), os.Getenv(ClientKeyVariable)
	}
	if a.token == "" && a.tokenFile == "" {
		a.token, a.tokenFile = os.Getenv(TokenVariable), os.Getenv(TokenFileVariable)
	}
	return a
}

// encrypts says whether a connection to this address is encrypted.
func (a access) encrypts(way address) bool {
	given := a.caCert != "" || a.clientCert != ""
	return way.tls || (way.bare && (given || (a.hasToken() && !way.local)))
}

func (a access) hasToken() bool { return a.token != "" || a.tokenFile != "" }

// dial is how gRPC gets to an address.
func (a access) dial(way address) ([]grpc.DialOption, error) {
	if (a.clientCert == "") != (a.clientKey == "") {
		return nil, errors.New("a client certificate and its key go together: give both")
	}
	encrypted := a.encrypts(way)
	transport := insecure.NewCredentials()
	if encrypted {
		config, err := a.tlsConfig()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(transport)}
	if !a.hasToken() {
		return options, nil
	}
	if !encrypted && !way.local {
		return nil, fmt.Errorf("%q would send the token in the clear to another machine: use https://%s", way.text, way.place)
	}
	token, err := newToken(a.token, a.tokenFile)
	if err != nil {
		return nil, err
	}
	return append(options, grpc.WithPerRPCCredentials(bearer{token, encrypted})), nil
}

func (a access) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.caCert != "" {
		pem, err := os.ReadFile(a.caCert)
		if err != nil {
			return nil, fmt.Errorf("the CA certificates cannot be read: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA certificates cannot be read: %s holds no certificate in PEM", a.caCert)
		}
	}
	if a.clientCert != "" {
		pair := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(a.clientCert, a.clientKey)
			if err != nil {
				return nil, fmt.Errorf("the client certificate cannot be read: %w", err)
			}
			return &pair, nil
		}
		if _, err := pair(); err != nil {
			return nil, err
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair() }
	}
	return config, nil
}
