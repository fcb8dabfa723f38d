package bus_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Everything else knows the port, bus.Conn, so that another broker is a change of the configuration.
func TestOnlyTheConfigurationNamesABroker(t *testing.T) {
	const root = "../.."
	allowed := []string{"pkg/bus/", "pkg/app/", "infra/local/"}
	adapters := []string{"ticketing/pkg/bus/stan", "ticketing/pkg/bus/stan/stanlimits"}
	importers := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir // not the project's packages
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(adapters, name) {
				continue
			}
			importers++
			inside := strings.TrimPrefix(filepath.ToSlash(path), root+"/")
			if !slices.ContainsFunc(allowed, func(dir string) bool { return strings.HasPrefix(inside, dir) }) {
				t.Errorf("%s imports %s", inside, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if importers == 0 {
		t.Error("nothing imports an adapter: the test looks in the wrong place")
	}
}
