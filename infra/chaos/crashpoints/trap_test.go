package crashpoints

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// point is a place on the way of an event at which a process can be killed.
type point string

// The points, numbered as in the package comment.
const (
	storedNotPublished    point = "1-stored-not-published"
	publishedNotNoted     point = "2-published-not-noted"
	publishedNotForgotten point = "3-published-not-forgotten"
	reactedNotApplied     point = "4-reacted-not-applied"
	halfOfTheBatch        point = "5-half-of-the-batch"
	inTheCommit           point = "6-in-the-commit"
	appliedNotAcked       point = "7-applied-not-acked"
	beforeTheMark         point = "8-before-the-mark"
	chargedNotNoted       point = "9-charged-not-noted"
)

// trap kills its own process, as kill -9 does, at the n-th pass of a point.
type trap struct {
	hand hand

	mu    sync.Mutex
	point point
	left  int // passes until it snaps; 0: it is not set
	delay time.Duration
}

// set sets the trap: "<point> <pass>".
func (t *trap) set(text string) error {
	name, pass, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(pass)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.point, t.left = point(name), n
	t.delay = time.Duration(n) * 200 * time.Microsecond
	return nil
}

// waits says that the trap is set at this point.
func (t *trap) waits(at point) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left > 0 && t.point == at
}

// reached counts a pass and says whether it is the last one.
func (t *trap) reached(at point) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == 0 || t.point != at {
		return false
	}
	t.left--
	return t.left == 0
}

// pass counts a pass; it does not return from the last one.
func (t *trap) pass(at point) {
	if t.reached(at) {
		die()
	}
}

// passSoon is pass for a point inside of what comes next: it kills at a later moment, which differs by the pass.
func (t *trap) passSoon(at point) {
	if t.reached(at) {
		time.AfterFunc(t.delay, die)
	}
}

func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // not one instruction more of what came here
}
