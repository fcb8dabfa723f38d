package coverage

import (
	"testing"

	"pgregory.net/rapid"
)

func TestCoverage(t *testing.T) {
	type step struct {
		settle, gone uint64
		complete     bool
	}
	for name, tt := range map[string]struct {
		first, last uint64
		steps       []step
	}{
		"in order":                           {1, 3, []step{{settle: 1}, {settle: 2}, {settle: 3, complete: true}}},
		"the last first":                     {1, 3, []step{{settle: 3}, {settle: 1}, {settle: 2, complete: true}}},
		"twice":                              {1, 2, []step{{settle: 1}, {settle: 1}, {settle: 2, complete: true}, {settle: 2, complete: true}}},
		"from the first that is retained":    {8, 9, []step{{settle: 9}, {settle: 8, complete: true}}},
		"newer ones do not count":            {1, 2, []step{{settle: 3}, {settle: 1}, {settle: 2, complete: true}}},
		"the oldest are removed":             {1, 3, []step{{settle: 3}, {gone: 3, complete: true}}},
		"removed up to what is settled":      {1, 4, []step{{settle: 2}, {settle: 4}, {gone: 2}, {settle: 3, complete: true}}},
		"removed behind what is settled":     {1, 4, []step{{settle: 1}, {settle: 2}, {gone: 2}, {gone: 4}, {settle: 4, complete: true}}},
		"everything is removed":              {1, 3, []step{{gone: 4, complete: true}}},
		"everything and more is removed":     {1, 3, []step{{gone: 100, complete: true}}},
		"the broker does not know the first": {0, 1, []step{{gone: 0}, {settle: 1, complete: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(tt.first, tt.last)
			if c.Complete() {
				t.Fatal("complete at first")
			}
			for i, s := range tt.steps {
				if s.settle > 0 {
					c.Settle(s.settle)
				} else {
					c.Gone(s.gone)
				}
				if c.Complete() != s.complete {
					t.Errorf("complete after step %d: %v, want %v", i, c.Complete(), s.complete)
				}
			}
		})
	}
}

// It is complete exactly if every sequence is settled or gone, and remembers only what it must.
func TestCoverageIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const first, last = 3, 12
		c := New(first, last)
		missing := map[uint64]bool{}
		for s := uint64(first); s <= last; s++ {
			missing[s] = true
		}
		t.Repeat(map[string]func(*rapid.T){
			"settle": func(t *rapid.T) {
				s := rapid.Uint64Range(1, last+2).Draw(t, "sequence")
				delete(missing, s)
				c.Settle(s)
			},
			"gone": func(t *rapid.T) {
				to := rapid.Uint64Range(1, last+2).Draw(t, "first")
				for s := range missing {
					if s < to {
						delete(missing, s)
					}
				}
				c.Gone(to)
			},
			"": func(t *rapid.T) {
				if c.Complete() != (len(missing) == 0) {
					t.Fatalf("complete: %v, with %d missing", c.Complete(), len(missing))
				}
				if c.Complete() && len(c.settled) > 0 {
					t.Fatalf("remembers %v for nothing", c.settled)
				}
			},
		})
	})
}
