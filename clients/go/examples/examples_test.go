// Package examples runs the programs in its folders.
package examples

import (
	"os"
	"os/exec"
	"testing"

	"github.com/hero-supervisor/hero-supervisor/clients/go/internal/fakeserver"
)

// The server is that of HERO_TEST_SERVER, or one of the tests' own.
func TestTheProgramsWork(t *testing.T) {
	address := fakeserver.Given(t)
	for name, want := range map[string]string{
		"run":    "42\n",
		"batch":  "0\n1\n4\n9\n16\n5 jobs\n",
		"follow": "| one\n| two\n42\n",
	} {
		program := exec.Command("go", "run", "./"+name)
		program.Env = append(os.Environ(), "HERO_SUPERVISOR_SERVER="+address)
		program.Stderr = os.Stderr
		if output, err := program.Output(); err != nil || string(output) != want {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
	}
}
