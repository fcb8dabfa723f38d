package docs

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page shows how to extend the project. The first line of each of its blocks names the file that the block is in.
const page = "extending.md"

// block matches a fenced block: its language, the path of its file and its text. A block may be part of a list.
var block = regexp.MustCompile("(?ms)^ *```(go|markdown)\n *(?://|<!--) (from )?(\\S+?)(?: -->)?\n(.*?)^ *```$")

// A person who copies the page into the project has a service that follows, reacts, publishes and answers.
func TestTheExampleServiceWorks(t *testing.T) {
	root := t.TempDir()
	for _, file := range []string{"go.mod", "go.sum", "docs/contract.md"} {
		write(t, filepath.Join(root, file), read(t, filepath.Join("..", file)))
	}
	if err := os.CopyFS(filepath.Join(root, "pkg"), os.DirFS("../pkg")); err != nil {
		t.Fatal(err)
	}
	files, lines := 0, 0
	for _, b := range blocks(t) {
		if b.quoted {
			continue
		}
		if strings.HasSuffix(b.path, ".go") && !strings.HasSuffix(b.path, "_test.go") {
			files++
			lines += strings.Count(b.text, "\n")
		}
		b.add(t, root)
	}
	t.Logf("a reacting service with an event of its own takes %d files and %d lines of Go", files, lines)
	if files > 6 || lines > 150 {
		t.Errorf("it takes %d files and %d lines of Go, want at most 6 and 150", files, lines)
	}

	run(t, root, "vet", "./services/...")
	run(t, root, "build", "-o", filepath.Join(root, "bin")+"/", "./services/prices/cmd/prices")
	run(t, root, "test", "./pkg/event")
	tested := run(t, root, "test", "-v", "./services/...")
	for _, name := range []string{"TestPricesFollowTickets", "TestAReactionKnowsWhatItHasDone"} {
		if !strings.Contains(tested, "--- PASS: "+name) {
			t.Errorf("%s was not run:\n%s", name, tested)
		}
	}
	program := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "prices"))
	program.Env = []string{}
	if out, err := program.CombinedOutput(); err == nil || !strings.Contains(string(out), "JWT_KEY") {
		t.Errorf("the program without an environment = %v, want that it asks for JWT_KEY:\n%s", err, out)
	}
}

// What the page quotes is in the project as it is quoted.
func TestQuotedCodeExists(t *testing.T) {
	quoted := 0
	for _, b := range blocks(t) {
		if !b.quoted {
			continue
		}
		quoted++
		source := string(read(t, filepath.Join("..", b.path)))
		for part := range strings.SplitSeq(b.text, "\n\n") {
			if !strings.Contains(source, strings.TrimSpace(part)) {
				t.Errorf("%s does not have\n%s", b.path, part)
			}
		}
	}
	if quoted == 0 {
		t.Error("the page quotes nothing: the test looks for the wrong thing")
	}
}

// Whatever the page names as a path of the project is there.
func TestNamedFilesExist(t *testing.T) {
	text := block.ReplaceAllString(string(read(t, page)), "")
	named := regexp.MustCompile("`((?:pkg|services|infra|docs)/[^`<>]+)`").FindAllStringSubmatch(text, -1)
	if len(named) < 10 {
		t.Errorf("the page names %d files: the test looks for the wrong thing", len(named))
	}
	for _, found := range named {
		if _, err := os.Stat(filepath.Join("..", found[1])); err != nil {
			t.Error(err)
		}
	}
}

// example is a block of the page. A quoted one is in the project, any other is to be added.
type example struct {
	path, text string
	quoted     bool
}

func blocks(t *testing.T) (found []example) {
	t.Helper()
	text := string(read(t, page))
	for _, b := range block.FindAllStringSubmatch(text, -1) {
		found = append(found, example{path: b[3], text: regexp.MustCompile("(?m)^   ").ReplaceAllString(b[4], ""), quoted: b[2] != ""})
	}
	if fences := strings.Count(text, "```"); fences != 2*len(found) {
		t.Fatalf("%d fences, but %d blocks whose first line names a file", fences, len(found))
	}
	return found
}

// add makes the file of the example, or adds the example to the end of the table that the file has.
func (e example) add(t *testing.T, root string) {
	t.Helper()
	file := filepath.Join(root, e.path)
	old, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		write(t, file, []byte(e.text))
		return
	case err != nil:
		t.Fatal(err)
	}
	at, text := 0, e.text
	switch e.path {
	case "pkg/event/contract.go":
		at, text = endOfContract(t, file), " &&\n"+strings.TrimSuffix(e.text, "\n")
	case "docs/contract.md":
		_, events, _ := bytes.Cut(old, []byte("\n## Events\n\n"))
		_, behind, found := bytes.Cut(events, []byte("|\n\n")) // the table's last row ends so
		at = len(old) - len(behind) - 1
		if !found {
			t.Fatalf("%s has no table of events", e.path)
		}
	default:
		t.Fatalf("%s exists, and the page does not say where the example goes", e.path)
	}
	write(t, file, slices.Concat(old[:at], []byte(text), old[at:]))
}

// endOfContract returns where the table of the events ends.
func endOfContract(t *testing.T, file string) int {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Contract" && len(f.Body.List) == 1 {
			return set.Position(f.Body.List[0].End()).Offset
		}
	}
	t.Fatalf("%s has no function Contract of one statement", file)
	return 0
}

// run runs the go command in the copy and returns what it printed. Without paths in its output, the build cache serves
// every copy alike.
func run(t *testing.T, root, command string, arguments ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{command, "-trimpath"}, arguments...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
