package app

import (
	"os"
	"runtime"
	"strconv"
)

// AllowForSyncs raises GOMAXPROCS by files, for a process that has up to that many files synced at the same time: one
// for each bolt store, one for an embedded broker. It takes back what an earlier call has added: calls do not add up.
//
// A goroutine in fsync keeps the processor that the runtime gave it until the runtime looks and takes it away, some
// tens of microseconds later at best. On few cores that is most of an fsync, so a core idles while requests wait to be
// answered. With processors to spare the operating system gives the core to the next thread at once.
//
// A GOMAXPROCS in the environment stands, and nothing is changed. Otherwise the runtime no longer follows a CPU limit
// that is changed while the process runs. The call stops the process for a moment: it belongs to its start.
func AllowForSyncs(files int) {
	if n, err := strconv.Atoi(os.Getenv("GOMAXPROCS")); err == nil && n > 0 { // the runtime ignores any other
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	if files > 0 {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + files)
	}
}
