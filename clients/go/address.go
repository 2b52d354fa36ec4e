package supervisor

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
)

const (
	// ServerVariable is the environment variable that names the server when no address is given.
	ServerVariable = "HERO_SUPERVISOR_SERVER"
	// DefaultAddress is the server when neither an address nor the variable is given.
	DefaultAddress = "127.0.0.1:50051"
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)

// address is a way to a server.
type address struct {
	text   string // as it was given
	target string // as gRPC takes it
	place  string // host and port
	tls    bool   // https
	bare   bool   // host and port alone, which do not say whether the connection is encrypted
	local  bool   // on this machine
}

// parseAddress reads an address; without one, that of the environment.
func parseAddress(text string) (address, error) {
	if text == "" {
		text = os.Getenv(ServerVariable)
	}
	if text == "" {
		text = DefaultAddress
	}
	if path, isUnix := strings.CutPrefix(text, "unix:"); isUnix {
		path = strings.TrimPrefix(path, "//")
		if len(path) < 2 || path[0] != '/' || strings.HasPrefix(path, "//") || strings.ContainsRune(path, 0) {
			return address{}, notAnAddress(text)
		}
		return address{text: text, target: (&url.URL{Scheme: "unix", Path: path}).String(), local: true}, nil
	}
	place, tls := strings.CutPrefix(text, "https://")
	for _, prefix := range []string{"http://", "dns:///"} { // the last one is gRPC's own word for HOST:PORT
		if rest, found := strings.CutPrefix(place, prefix); found && !tls {
			place = rest
			break
		}
	}
	if place != text {
		place = strings.TrimSuffix(place, "/")
	}
	if !isHostAndPort(place) {
		return address{}, notAnAddress(text)
	}
	host, _, _ := net.SplitHostPort(place)
	bare := !tls && !strings.HasPrefix(text, "http://")
	return address{text: text, target: "dns:///" + place, place: place, tls: tls, bare: bare, local: isLoopback(host)}, nil
}

func isHostAndPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return false
	}
	if strings.HasPrefix(text, "[") {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Is6()
	}
	return hostName.MatchString(host)
}

// isLoopback says whether a host is this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && ip.Unmap().IsLoopback())
}

func notAnAddress(text string) error {
	return fmt.Errorf("%q is not an address: use host:port, http://host:port, https://host:port or unix:/path", text)
}
