package app_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"ticketing/pkg/app"
)

// ownProcessors gives a test the runtime as it starts by itself on this machine, and others what they had.
func ownProcessors(t *testing.T) (standard int) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "")
	runtime.SetDefaultGOMAXPROCS()
	return runtime.GOMAXPROCS(0)
}

func TestSyncsHaveProcessorsOfTheirOwn(t *testing.T) {
	standard := ownProcessors(t)
	t.Setenv("GOMAXPROCS", "many")            // means nothing, to the runtime neither
	for _, files := range []int{1, 4, 4, 0} { // what an earlier call has added does not stay
		app.AllowForSyncs(files)
		if got := runtime.GOMAXPROCS(0); got != standard+files {
			t.Errorf("%d files: %d processors, want %d more than %d", files, got, files, standard)
		}
	}
}

func TestProcessorsOfTheEnvironmentStand(t *testing.T) {
	ownProcessors(t)
	t.Setenv("GOMAXPROCS", "3")
	runtime.GOMAXPROCS(3) // as the runtime starts with it
	app.AllowForSyncs(2)
	if got := runtime.GOMAXPROCS(0); got != 3 {
		t.Errorf("%d processors, want the 3 of the environment", got)
	}
}

func TestABoltStoreHasAProcessorForItsSyncs(t *testing.T) {
	standard := ownProcessors(t)
	db, err := app.StoreConfig{BoltFile: filepath.Join(t.TempDir(), "demo.db")}.Open("demo")
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, db)
	if got := runtime.GOMAXPROCS(0); got != standard+1 {
		t.Errorf("%d processors, want one more than %d", got, standard)
	}
}
