package supervisor

import (
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hero-supervisor/hero-supervisor/clients/go/internal/fakeserver"
)

func TestEveryAddressOfTheGrammarIsUnderstood(t *testing.T) {
	for text, want := range map[string]address{
		"127.0.0.1:50051":        {target: "dns:///127.0.0.1:50051"},
		"localhost:1":            {target: "dns:///localhost:1"},
		"[::1]:50051":            {target: "dns:///[::1]:50051"},
		"http://127.0.0.1:50051": {target: "dns:///127.0.0.1:50051"},
		"http://a.b-c.d:65535/":  {target: "dns:///a.b-c.d:65535"},
		"https://a:443":          {target: "dns:///a:443", tls: true},
		"https://[::1]:443/":     {target: "dns:///[::1]:443", tls: true},
		"unix:/run/hero.sock":    {target: "unix:///run/hero.sock"},
		"unix:///run/hero.sock":  {target: "unix:///run/hero.sock"},
		"unix:/a b%20?.sock":     {target: "unix:///a%20b%2520%3F.sock"},
		"dns:///supervisor:1":    {target: "dns:///supervisor:1"},
	} {
		found, err := parseAddress(text)
		if err != nil || found.text != text || found.target != want.target || found.tls != want.tls {
			t.Errorf("%s: %+v, %v", text, found, err)
		}
	}
}

func TestEveryOtherAddressIsRefusedWithTheGrammar(t *testing.T) {
	for _, text := range []string{
		"x", "127.0.0.1", ":50051", "a:", "a:0", "a:65536", "a:http", "a:+1", " a:1", "a b:1", "::1:50051", "[a]:1",
		"http://", "http://a", "http://a:1/path", "http://u@a:1", "http://a:1?x", "ftp://a:1", "HTTP://a:1", "grpc://a:1",
		"https://", "https://http://a:1", "unix:", "unix:/", "unix:run/a", "unix://run/a", "unix:////a", "/run/hero.sock", "a:1/",
	} {
		_, err := Connect(text)
		want := `"` + text + `" is not an address: use host:port, http://host:port, https://host:port or unix:/path`
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWithoutAnAddressTheEnvironmentNamesTheServer(t *testing.T) {
	t.Setenv(ServerVariable, "http://a:1")
	if found, err := parseAddress(""); err != nil || found.target != "dns:///a:1" {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := parseAddress("b:2"); err != nil || found.target != "dns:///b:2" {
		t.Errorf("an address wins: %+v, %v", found, err)
	}
	t.Setenv(ServerVariable, "")
	if found, err := parseAddress(""); err != nil || found.text != DefaultAddress {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestAServerIsReachedInEachWay(t *testing.T) {
	tcp := fakeserver.Start(t)
	unix := fakeserver.StartAt(t, "unix", filepath.Join(t.TempDir(), "a b.sock"))
	for _, text := range []string{tcp.Address(), "http://" + tcp.Address(), unix.Address(), "unix://" + unix.Address()[len("unix:"):]} {
		client := connect(t, text)
		job, err := client.Run(t.Context(), OSIS, "40 + 2")
		if err != nil || job.GetResult() != "42" {
			t.Errorf("%s: %v, %v", text, job, err)
		}
	}
}

func TestHTTPSIsEncrypted(t *testing.T) {
	server := fakeserver.Start(t)
	_, err := connect(t, "https://"+server.Address(), FailFast()).Run(t.Context(), OSIS, "1")
	expect(t, err, codes.Unavailable, ReasonNoServer, "tls: first record does not look like a TLS handshake")
}
