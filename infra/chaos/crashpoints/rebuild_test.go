package crashpoints

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ticketing/pkg/replica"
)

// crashInRebuild has the victim rebuild its replicas and kill itself meanwhile, and start again. Then a rebuild that
// is started again, under load, comes to its end.
func (w *world) crashInRebuild(role string, at point, round int) {
	w.t.Helper()
	victim := w.members[role]
	w.growHistory()
	w.mustSettle() // only the rebuild passes the point now
	w.setTrap(victim, fmt.Sprint(at, " ", passInRebuild(at, round)))
	if status, body, err := w.ask(http.MethodPost, victim, rebuildPath); err == nil && status != http.StatusAccepted {
		w.t.Fatalf("start a rebuild: %d %s", status, body)
	} // without an answer it is gone already, or does not come to the point
	w.awaitCrash(victim, at)
	w.start(victim, "")
	w.awaitReady(victim)
	w.runLoad(func() {
		w.startRebuild(victim)
		w.awaitRebuilt(victim)
	})
}

// passInRebuild is a pass that is sure to come: the mark is written three times, for the number of the generation,
// when it becomes the present one and when it is complete.
func passInRebuild(at point, round int) int {
	if at == beforeTheMark {
		return 1 + round%3
	}
	return passInReplay(at, round)
}

const rebuildPath = "/replicas/ticket/rebuild"

func (w *world) startRebuild(m *member) {
	w.t.Helper()
	status, body, err := w.ask(http.MethodPost, m, rebuildPath)
	if err != nil || status != http.StatusAccepted {
		w.t.Fatalf("start a rebuild: %d %s, %v", status, body, err)
	}
}

func (w *world) awaitRebuilt(m *member) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		status, body, err := w.ask(http.MethodGet, m, rebuildPath)
		if err != nil || status != http.StatusOK {
			w.t.Fatalf("ask for the rebuild: %d %s, %v", status, body, err)
		}
		var rebuild replica.Rebuild
		if err := json.Unmarshal(body, &rebuild); err != nil || rebuild.Error != "" {
			w.t.Fatalf("the rebuild went wrong: %s, %v", body, err)
		}
		if !rebuild.Running {
			return
		}
	}
	w.t.Fatal("the rebuild does not end")
}
