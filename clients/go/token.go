package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// token is what a client shows with each call. One in a file is read again when the file has changed, since tokens rotate.
type token struct {
	path string

	mutex sync.Mutex
	seen  stamp
	text  string
}

// stamp is what changes with a file.
type stamp struct {
	changed time.Time
	size    int64
	file    os.FileInfo
}

func (s stamp) same(other stamp) bool {
	return s.changed.Equal(other.changed) && s.size == other.size && os.SameFile(s.file, other.file)
}

func newToken(text, path string) (*token, error) {
	if text != "" && path != "" {
		return nil, errors.New("a token and a token file were given: give one of them")
	}
	if path == "" {
		text, err := checked(text)
		return &token{text: text}, err
	}
	t := &token{path: path}
	return t, t.read()
}

// current is the token of now. While the file cannot be read, it stays what it was.
func (t *token) current() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.path != "" {
		if found, err := os.Stat(t.path); err == nil && !t.seen.same(stampOf(found)) {
			_ = t.read()
		}
	}
	return t.text
}

func (t *token) read() error {
	found, err := os.Stat(t.path)
	if err != nil {
		return fmt.Errorf("the token file cannot be read: %w", err)
	}
	text, err := os.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("the token file cannot be read: %w", err)
	}
	fresh, err := checked(string(text))
	if err != nil {
		return fmt.Errorf("the token file %s: %w", t.path, err)
	}
	t.text, t.seen = fresh, stampOf(found)
	return nil
}

func stampOf(file os.FileInfo) stamp { return stamp{file.ModTime(), file.Size(), file} }

// checked is a token without the white space around it.
func checked(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", errors.New("the token is empty")
	}
	if strings.ContainsFunc(text, func(char rune) bool { return char <= ' ' || char > '~' }) {
		return "", errors.New("the token is not one word of visible ASCII characters")
	}
	return text, nil
}

// bearer adds the token to calls.
type bearer struct {
	token     *token
	encrypted bool
}

// GetRequestMetadata is asked by gRPC before each call.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.token.current()}, nil
}

// RequireTransportSecurity makes gRPC refuse the token on a connection that somebody has made plain by an option.
func (b bearer) RequireTransportSecurity() bool { return b.encrypted }
