package supervisor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hero-supervisor/hero-supervisor/clients/go/internal/fakeserver"
)

// The way from a clone into a module of one's own. A version is required by hand instead of by `go mod tidy`, which would
// ask the proxy for the test dependencies of dependencies.
func TestTheProgramOfTheReadmeWorksInAModuleOfItsOwn(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	clone, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(readme), "```bash\n")
	line, _, _ := strings.Cut(after, "\n")
	line = strings.ReplaceAll(line, "/path/to/hero-supervisor", clone)
	_, after, _ = strings.Cut(after, "```go\n")
	program, _, _ := strings.Cut(after, "```")
	program = strings.ReplaceAll(program, "127.0.0.1:50051", fakeserver.Given(t))
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}

	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.test/own\n\ngo 1.25.0\n", "go.sum": string(sums), "main.go": program} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const required = "-require=github.com/hero-supervisor/hero-supervisor/clients/go@v0.0.0"
	for _, words := range [][]string{strings.Fields(line), {"go", "mod", "edit", required}, {"go", "run", "."}} {
		command := exec.Command(words[0], words[1:]...)
		command.Dir, command.Env, command.Stderr = folder, append(os.Environ(), "GOFLAGS=-mod=mod"), os.Stderr
		output, err := command.Output()
		if err != nil || (words[1] == "run" && string(output) != "42\n") {
			t.Fatalf("%v: %v\n%s", words, err, output)
		}
	}
}
